"""Text from elsewhere is cleaned of keys and bearer tokens before it is shown, and of nothing else."""

from hypothesis import given
from hypothesis import strategies as st

from mxgateway import redact
from tests.rows import each_row

SECRET = "abcDEF123-._~+/="


@each_row(
    ("text", "clean"),
    [
        ("mxgw_op_SECRET", "mxgw_op_***"),
        ("key mxgw_op_SECRET refused", "key mxgw_op_*** refused"),
        ("MXGW_Op_SECRET", "MXGW_Op_***"),
        ("mxgw_op_SE_CR_ET", "mxgw_op_***"),
        ("Bearer mxgw_op_SECRET", "Bearer mxgw_op_***"),
        ("authorization: Bearer SECRET", "authorization: Bearer ***"),
        ("BEARER\tSECRET", "BEARER\t***"),
        ("'mxgw_op_SECRET'", "'mxgw_op_***'"),
        ('{"key": "mxgw_op_SECRET", "n": 1}', '{"key": "mxgw_op_***", "n": 1}'),
        ("(mxgw_op_SECRET)", "(mxgw_op_***)"),
        ("a=mxgw_op_SECRET; b", "a=mxgw_op_***; b"),
        ("a=mxgw_op_SECRET;b", "a=mxgw_op_***"),  # a key may hold every printable character but a space
        ("mxgw_op_SE,CR;ET)SE]CR'ET\"SE}CRET", "mxgw_op_***"),
        ("mxgw__SECRET", "mxgw__***"),
        ("mxgw_o'p_SECRET", "mxgw_o'p_***"),
        ("Invalid API key 'SE'CRET' for this call.", "Invalid API key '***' for this call."),
        ('api_key="SECRET"', 'api_key="***"'),
        ("http://op:SE'CR\"ET@proxy:3128", "http://***@proxy:3128"),
        ("mxgw_a_SECRET,mxgw_b_SECRET", "mxgw_a_***,mxgw_b_***"),
        ("env_mxgw_op_SECRET", "env_mxgw_op_***"),
        ("http://op:SECRET@proxy:3128", "http://***@proxy:3128"),
        ("via http://op:SE@CR/ET@proxy:3128/ refused", "via http://***@proxy:3128/ refused"),
        ("line one\nmxgw_op_SECRET\nline three", "line one\nmxgw_op_***\nline three"),
    ],
)
def test_keys_and_tokens_are_replaced(text: str, clean: str) -> None:
    assert redact(text) == clean
    assert redact(redact(text)) == clean


@each_row(
    "text",
    [
        "",
        "nothing secret",
        "mxgw",
        "mxgw_",
        "mxgw_op",
        "mxgw_op_",
        "the mxgw-py command",
        "forbearer x",
        "wayBearer y",
        "http://gw:5000",
        "a@b",
    ],
)
def test_other_text_is_left_alone(text: str) -> None:
    assert redact(text) == text


@given(
    st.text(max_size=30),
    st.text("abcdef0123456789-", min_size=1),
    st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ", min_size=6),
    st.text(max_size=30),
)
def test_a_key_anywhere_in_a_text_is_found(before: str, key_id: str, secret: str, after: str) -> None:
    assert secret not in redact(f"{before.lower()} mxgw_{key_id}_{secret} {after.lower()}")
