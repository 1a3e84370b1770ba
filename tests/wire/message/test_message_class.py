"""The generated classes behave as betterproto's own do; what is better is said by a test of its own."""

from __future__ import annotations

import copy
import dataclasses
import inspect
import io
import pickle
from collections.abc import Callable
from functools import partial
from typing import Any, cast

import betterproto
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mxgateway import proto, wire
from mxgateway.wire.compiling import warming
from mxgateway.wire.messages import message
from mxgateway.wire.messages.message import Message, message_type
from tests.rows import each_row
from tests.wire.compiling import contract_types
from tests.wire.conftest import Constructs
from tests.wire.messages import as_betterproto_can, google_messages
from tests.wire.profiles import bounded

NAMES = ["Scalars", "Optionals", "Lists", "Maps", "Tree", "Choices", "ManyChoices", "WellKnown", "Nothing", "Names"]


def outcome(action: Callable[[], Any]) -> str:
    """What an action returns or raises, as a text that can be compared."""
    try:
        return repr(action())
    except AttributeError as error:
        return f"{type(error).__name__}: {error}"


def test_every_message_of_the_contract_has_our_base() -> None:
    for cls in contract_types().values():
        assert issubclass(cls, Message)
        assert issubclass(cls, betterproto.Message)
        assert dataclasses.is_dataclass(cls)
        assert cls.__doc__


@each_row("name", NAMES)
def test_a_fresh_message_reads_as_betterprotos_own(constructs: Constructs, name: str) -> None:
    stock_type, our_type = getattr(constructs.stock, name), getattr(constructs.ours, name)
    for field in dataclasses.fields(stock_type):
        stock, ours = stock_type(), our_type()
        assert repr(ours) == repr(stock)
        assert outcome(partial(getattr, ours, field.name)) == outcome(partial(getattr, stock, field.name))
        assert outcome(partial(getattr, ours, "unheard_of")) == outcome(partial(getattr, stock, "unheard_of"))
        assert bytes(ours) == bytes(stock) == b""
        assert ours._serialized_on_wire is stock._serialized_on_wire is False
        assert ours._group_current == stock._group_current
        assert ours._unknown_fields == stock._unknown_fields
        assert bool(ours) is bool(stock) is False
        assert ours == our_type()


@each_row("name", NAMES)
@given(data=st.data())
@bounded(20)
def test_a_received_message_reads_as_betterprotos_own(constructs: Constructs, name: str, data: Any) -> None:
    message = as_betterproto_can(data.draw(google_messages(constructs.google(name))))
    encoded = message.SerializeToString(deterministic=True)
    # Decoded by us, since betterproto cannot read all of it: it is the classes that are compared here.
    stock, ours = (
        wire.decode(getattr(constructs.stock, name), encoded),
        wire.decode(getattr(constructs.ours, name), encoded),
    )
    assert repr(ours) == repr(stock)
    assert list(map(repr, ours.__rich_repr__())) == list(map(repr, stock.__rich_repr__()))
    for field in dataclasses.fields(stock):
        read = outcome(partial(getattr, ours, field.name))
        assert read == outcome(partial(getattr, stock, field.name))
    assert ours._group_current == stock._group_current
    for group in stock._group_current:
        assert repr(betterproto.which_one_of(ours, group)) == repr(betterproto.which_one_of(stock, group))
    assert betterproto.serialized_on_wire(ours) is betterproto.serialized_on_wire(stock) is True
    assert bool(ours) is bool(stock)
    assert wire.encode(ours) == wire.encode(stock) == encoded


@each_row("name", NAMES)
@given(data=st.data())
@bounded(15)
def test_a_constructed_message_is_betterprotos_own(constructs: Constructs, name: str, data: Any) -> None:
    message = as_betterproto_can(data.draw(google_messages(constructs.google(name))))
    encoded = message.SerializeToString(deterministic=True)
    ours = wire.decode(getattr(constructs.ours, name), encoded)
    fields = {key: value for key, value in vars(ours).items() if not key.startswith("_")}
    by_keyword = type(ours)(**fields)
    by_assignment = type(ours)()
    for key, value in fields.items():
        setattr(by_assignment, key, value)
    stock = getattr(constructs.stock, name)(**fields)
    for made in (by_keyword, by_assignment):
        assert repr(made) == repr(stock)
        assert made == ours
        assert made._group_current == stock._group_current
        assert made._serialized_on_wire is stock._serialized_on_wire
        for key in fields:
            assert made.is_set(key) is stock.is_set(key) is True
        assert bytes(made) == encoded


@each_row("name", NAMES)
@given(data=st.data())
@bounded(15)
def test_copies_and_pickles_are_equal_and_independent(constructs: Constructs, name: str, data: Any) -> None:
    message = data.draw(google_messages(constructs.google(name)))
    encoded = message.SerializeToString(deterministic=True) + bytes.fromhex("c83e05")
    ours = wire.decode(getattr(constructs.ours, name), encoded)
    for made in (copy.copy(ours), copy.deepcopy(ours), pickle.loads(pickle.dumps(ours))):
        assert made == ours
        assert type(made) is type(ours)
        assert wire.encode(made) == encoded
    deep = copy.deepcopy(ours)
    for value in vars(deep).values():
        if isinstance(value, (list, dict)):
            value.clear()
    assert wire.encode(ours) == encoded


@each_row("name", NAMES)
@given(data=st.data())
@bounded(15)
def test_a_message_is_the_same_whether_its_constructor_is_compiled_or_not(
    constructs: Constructs, name: str, data: Any
) -> None:
    cls = getattr(constructs.ours, name)
    fields: dict[str, Any] = {"unset": betterproto.PLACEHOLDER}
    for _ in range(2):  # two at once may hold several members of a oneof
        decoded = wire.decode(cls, data.draw(google_messages(constructs.google(name))).SerializeToString())
        fields |= {key: value for key, value in vars(decoded).items() if not key.startswith("_")}
    del fields["unset"]
    compiled, slow = cls(**fields), object.__new__(cls)
    message._construct(slow, cls, fields)
    assert vars(slow) == vars(compiled)
    assert repr(slow) == repr(compiled)
    assert slow._group_current == compiled._group_current
    assert bytes(slow) == bytes(compiled)


def test_the_first_constructions_of_a_type_are_not_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    @message_type
    class Tank(Message):
        """A tank."""

        level: int = betterproto.int32_field(1)
        name: str | None = betterproto.string_field(2, optional=True)

        def __post_init__(self) -> None:
            made.append(self.level)

    made: list[int] = []
    monkeypatch.setattr(warming, "ALLOWANCE", 4096)
    wrong_fields: list[dict[str, Any]] = [{"depth": 1}, {"level": 2}]
    for wrong in wrong_fields:
        with pytest.raises(
            TypeError, match=r"unexpected keyword argument 'depth'|multiple values for argument 'level'"
        ):
            Tank(1, **wrong)
    del Tank.__init__  # the wrong ones were compiled, for their message
    cast("Any", Tank).__init__ = message._first_init
    for level in range(1, 30):
        assert vars(Tank(level, name=None)) == {"level": level}
        assert (Tank.__init__ is message._first_init) is (level < 16)
    assert vars(Tank()) == {"_serialized_on_wire": False}
    assert made == [*range(1, 30), 0]


def test_a_constructor_takes_its_fields_in_order_and_refuses_others(constructs: Constructs) -> None:
    for classes in (constructs.ours, constructs.stock):
        assert classes.Tree("x", classes.Tree("y")).left.label == "y"
        with pytest.raises(TypeError, match=r"__init__\(\) got an unexpected keyword argument 'lable'"):
            classes.Tree(lable="x")
        with pytest.raises(TypeError, match=r"positional arguments but 6 were given"):
            classes.Tree(1, 2, 3, 4, 5)
    names = constructs.ours.Names(self="s", state="t", from_="f", class_="c", message="m", fields="f")
    assert (names.self, names.state, names.from_, names.class_) == ("s", "t", "f", "c")


def test_a_signature_names_the_fields(constructs: Constructs) -> None:
    for name in NAMES:
        ours = inspect.signature(getattr(constructs.ours, name))
        stock = inspect.signature(getattr(constructs.stock, name))
        assert [*ours.parameters] == [*stock.parameters]
    parameters = inspect.signature(proto.MxEvent).parameters
    assert next(iter(parameters)) == "family"
    assert parameters["hresult"].default is None


def test_setting_a_member_of_a_oneof_clears_the_others(constructs: Constructs) -> None:
    for classes in (constructs.ours, constructs.stock):
        choices = classes.Choices(an_int32=5, a_string="x")
        choices.a_double = 0.0
        assert betterproto.which_one_of(choices, "number") == ("a_double", 0.0)
        assert betterproto.which_one_of(choices, "anything") == ("a_string", "x")
        with pytest.raises(AttributeError, match="'number' is set to 'a_double', not 'an_int32'") as caught:
            _ = choices.an_int32
        assert (caught.value.name, caught.value.obj) == ("an_int32", choices)
        assert not hasattr(choices, "a_color")
        assert repr(choices) == "Choices(a_double=0.0, a_string='x')"


def test_of_two_members_in_a_constructor_the_later_declared_wins(constructs: Constructs) -> None:
    ours = constructs.ours.Choices(a_color=1, a_double=2.0, an_int32=3)
    stock = constructs.stock.Choices(a_color=1, a_double=2.0, an_int32=3)
    assert bytes(ours) == bytes(stock)
    assert ours._group_current == stock._group_current
    assert repr(ours) == "Choices(a_color=1)"


def test_a_message_without_fields_is_present_once_it_is_assigned(constructs: Constructs) -> None:
    for classes in (constructs.ours, constructs.stock):
        empty = classes.Nothing()
        assert not betterproto.serialized_on_wire(empty)
        assert bytes(classes.ManyChoices(nothing=empty)) == bytes.fromhex("ca0100")
        assert betterproto.serialized_on_wire(empty)
        other = classes.Nothing()
        many = classes.ManyChoices()
        many.nothing = other
        assert betterproto.serialized_on_wire(other)
        assert bytes(many) == bytes.fromhex("ca0100")


def test_a_list_that_was_read_can_be_filled(constructs: Constructs) -> None:
    for classes in (constructs.ours, constructs.stock):
        lists, maps = classes.Lists(), classes.Maps()
        lists.strings.append("x")
        maps.by_string["a"] = 1
        assert bytes(lists) == bytes(classes.Lists(strings=["x"]))
        assert wire.encode(maps) == wire.encode(classes.Maps(by_string={"a": 1}))


def test_equality_takes_unset_for_zero(constructs: Constructs) -> None:
    for classes in (constructs.ours, constructs.stock):
        assert classes.Scalars(an_int32=0) == classes.Scalars()
        assert classes.Tree(left=classes.Tree()) == classes.Tree()
        assert classes.Scalars(an_int32=1) != classes.Scalars()
        assert classes.Scalars() != classes.Scalars(an_int32=1)
        assert classes.Optionals(an_int32=0) != classes.Optionals()
        assert classes.Scalars(a_double=float("nan")) == classes.Scalars(a_double=float("nan"))
        assert classes.Scalars() != classes.Tree()
        assert classes.Scalars() != 5
        with pytest.raises(TypeError, match="unhashable"):
            hash(classes.Scalars())


def test_a_list_with_nan_equals_its_copy(constructs: Constructs) -> None:
    ours = constructs.ours
    encoded = wire.encode(ours.Lists(doubles=[1.0, float("nan")]))
    assert wire.decode(ours.Lists, encoded) == wire.decode(ours.Lists, encoded)
    assert ours.Lists(doubles=[float("nan")]) != ours.Lists(doubles=[1.0])
    encoded = wire.encode(ours.Maps(by_uint32={1: float("nan")}))
    assert wire.decode(ours.Maps, encoded) == wire.decode(ours.Maps, encoded)


def test_the_methods_of_betterproto_use_the_compiled_codec(constructs: Constructs) -> None:
    ours = constructs.ours
    tree = ours.Tree(label="x", left=ours.Tree(label="y"))
    encoded = bytes(tree)
    assert tree.SerializeToString() == encoded
    assert len(tree) == len(encoded)
    assert ours.Tree.FromString(encoded) == tree
    assert ours.Tree().parse(encoded) == tree
    with pytest.raises(wire.WireError, match=r"Tree\.label at byte 1"):
        ours.Tree().parse(b"\x0a")
    stream = io.BytesIO()
    tree.dump(stream, betterproto.SIZE_DELIMITED)
    ours.Tree(label="z").dump(stream)
    stream.seek(0)
    assert ours.Tree().load(stream, betterproto.SIZE_DELIMITED) == tree
    assert ours.Tree().load(stream).label == "z"
    with pytest.raises(wire.WireError, match="the stream ends after 0 of 5 bytes"):
        ours.Tree().load(stream, 5)


def test_parsing_into_a_message_merges(constructs: Constructs) -> None:
    ours = constructs.ours
    tree = ours.Tree(label="x", left=ours.Tree(label="y"), others=[ours.Tree(label="1")])
    added = ours.Tree(left=ours.Tree(right=ours.Tree()), others=[ours.Tree(label="2")])
    assert tree.parse(bytes(added)) is tree
    assert (tree.label, tree.left.label, [other.label for other in tree.others]) == ("x", "y", ["1", "2"])


def test_betterprotos_own_json_methods_still_work(constructs: Constructs) -> None:
    for classes in (constructs.ours, constructs.stock):
        tree = classes.Tree(label="x", left=classes.Tree(label="y"))
        assert tree.to_dict() == {"label": "x", "left": {"label": "y"}}
        assert classes.Tree.from_dict(tree.to_dict()) == tree
        assert classes.Tree().from_json(tree.to_json()) == tree
        assert tree.to_pydict() == {"label": "x", "left": {"label": "y"}}


def test_reading_a_zero_leaves_no_trace(constructs: Constructs) -> None:
    scalars = constructs.ours.Scalars()
    assert (scalars.an_int32, scalars.a_string, scalars.a_double, scalars.a_color) == (0, "", 0.0, 0)
    assert repr(scalars) == "Scalars()"
    assert not scalars.is_set("an_int32")
    with pytest.raises(KeyError):
        scalars.is_set("unheard_of")


def test_a_field_can_be_taken_away_again(constructs: Constructs) -> None:
    choices = constructs.ours.Choices(an_int32=5, before=1)
    del choices.an_int32
    assert choices._group_current == {"number": None, "anything": None}
    choices.before = betterproto.PLACEHOLDER
    assert bytes(choices) == b""


def test_reading_a_set_field_calls_no_python_function(constructs: Constructs) -> None:
    import sys

    event = wire.decode(constructs.ours.Scalars, wire.encode(constructs.ours.Scalars(an_int32=5, a_string="x")))
    optional = constructs.ours.Optionals(an_int32=1)
    _ = event.a_bool  # the first read of a zero puts it on the class
    calls: list[str] = []
    sys.setprofile(lambda frame, kind, _: calls.append(frame.f_code.co_name) if kind == "call" else None)
    try:
        read = (event.an_int32, event.a_string, event.a_bool, optional.an_int32, optional.a_bool)
    finally:
        sys.setprofile(None)
    assert read == (5, "x", False, 1, None)
    assert calls == []


def test_a_password_is_not_shown() -> None:
    command = proto.AuthenticateUserCommand(verify_user="u", verify_user_password="secret")
    assert repr(command) == "AuthenticateUserCommand(verify_user='u', verify_user_password='***')"
    assert command.verify_user_password == "secret"
    assert "secret" not in repr(proto.MxCommand(authenticate_user=command))
    assert "secret" not in str(list(command.__rich_repr__()))


def test_a_derived_class_may_have_a_constructor_of_its_own(constructs: Constructs) -> None:
    class Fir(constructs.ours.Tree):  # type: ignore[misc, name-defined]
        def __init__(self, size: int) -> None:
            super().__init__(label="fir")
            self.size = size

    fir = Fir(5)
    assert (fir.label, fir.size) == ("fir", 5)
    assert bytes(fir) == bytes(constructs.ours.Tree(label="fir"))


def test_a_status_that_repeats_is_each_receivers_own(constructs: Constructs) -> None:
    status = wire.encode(constructs.ours.Tree(others=[constructs.ours.Tree(label="x")] * 3))
    assert len(wire.decode(constructs.ours.Tree, status).others) == 3
    reply = proto.BulkWriteReply(
        results=[proto.BulkWriteResult(statuses=[proto.MxStatusProxy(success=-1, detail=5)]) for _ in range(3)]
    )
    for _ in range(3):
        decoded = wire.decode(proto.BulkWriteReply, wire.encode(reply))
        first, second, _ = (result.statuses[0] for result in decoded.results)
        assert first == second
        first.detail = 7
        first.diagnostic_text = "changed"
        assert (second.detail, second.diagnostic_text) == (5, "")


@pytest.mark.parametrize("number", [0, 4, 99])
def test_an_enum_of_the_contract_is_the_same_in_another_process(number: int) -> None:
    member = proto.MxDataType.try_value(number)
    for copied in (copy.copy(member), copy.deepcopy(member), pickle.loads(pickle.dumps(member))):
        assert copied == member
        assert type(copied) is type(member)
        assert copied.name == member.name
