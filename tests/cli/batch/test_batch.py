"""Every line of a batch has its answer and one end marker, whatever becomes of it."""

from __future__ import annotations

import json
from pathlib import Path

from betterproto.lib.google.protobuf import FileDescriptorSet
from grpclib.const import Status

import mxgateway
from mxgateway.contract import own_descriptor_set
from tests.cli.batches import MARKER, batch
from tests.cli.gateway import KEY, SECRET, TAG, Gateway
from tests.rows import each_row

UNKNOWN_HANDLES = "--server-handle 77 --item-handle 88"


async def test_the_nth_marker_ends_the_answer_to_the_nth_line(gateway: Gateway) -> None:
    outcome = await batch(
        "version -o value\n\n# a comment\n   \t \n  # another\r\nmxgw-py version --json\r\nping -o value", env=gateway.env,
    )  # fmt: skip

    answers = outcome.answers
    assert len(answers) == 7
    assert answers[0] == mxgateway.__version__
    assert answers[1:5] == ["", "", "", ""]
    assert json.loads(answers[5])["operation"] == "version"


async def test_a_batch_without_a_failure_ends_with_0_and_says_nothing(gateway: Gateway) -> None:
    outcome = await batch(f"ping --json\nadvise --item {TAG} --json\n", "--plaintext", env=gateway.env)

    assert (outcome.code, outcome.err) == (0, "")
    assert [document["operation"] for document in outcome.documents] == ["ping", "advise"]


async def test_an_empty_stdin_is_an_empty_batch() -> None:
    outcome = await batch(b"")

    assert (outcome.code, outcome.out, outcome.err) == (0, "", "")


@each_row(
    ("line", "says"),
    [
        (b"ping --session-id 'abc", "the quote ' in column 19 is not closed"),
        (b'ping "abc', 'the quote " in column 6 is not closed'),
        (b"ping abc\\", "ends with a backslash"),
        (b"frobnicate", "no such command 'frobnicate'"),
        (b"wite", "; did you mean write"),
        (b"ping --no-such-option", "no such option"),
        (b"ping --plaintext --tls", "--plaintext and --tls contradict each other"),
        (b"--no-such-option", "no such option"),
        (b"write --simulator --item T --type int32 --value x", "not a whole number"),
        (b"ping \xff\xfe", "not valid UTF-8 at byte 6"),
        (b"ping \x00", "a NUL character in column 6"),
        (b"batch", "batch cannot run in a batch"),
        (b"batch --help", "batch cannot run in a batch"),
        (b"simulate --port 0", "simulate cannot run in a batch"),
        (b"completion bash", "completion cannot run in a batch"),
    ],
)
async def test_a_line_that_cannot_be_run_is_one_error_and_the_next_one_is_run(line: bytes, says: str) -> None:
    outcome = await batch(b"version -o value\n" + line + b"\nversion -o value\n")

    assert outcome.code == 21
    assert outcome.answers[0] == outcome.answers[2] == mxgateway.__version__
    assert says in outcome.failure(2)
    assert len(outcome.answers[1].splitlines()) == 1
    assert outcome.err == "error: 1 of 3 lines failed, first in line 2\n"


async def test_a_line_that_the_gateway_or_mxaccess_refuses_is_one_error_and_the_next_one_is_run(
    gateway: Gateway,
) -> None:
    session = await gateway.open_session()
    gateway.simulated.fail_next("OpenSession", Status.RESOURCE_EXHAUSTED, "64 sessions are open")

    outcome = await batch(
        f"open-session\nadvise --session-id {session} {UNKNOWN_HANDLES} --json\nping --session-id {session} --json\n",
        "--plaintext",
        env=gateway.env,
    )

    assert outcome.code == 21
    assert "64 sessions are open" in outcome.failure(1)
    assert "MXAccess" in outcome.failure(2)
    assert outcome.documents[2]["operation"] == "ping"
    refused, summary = outcome.err.splitlines()
    assert json.loads(refused)["error"]["message"] == outcome.failure(2)
    assert summary == "error: 2 of 3 lines failed, first in line 1"


async def test_a_command_that_ends_with_an_exit_code_of_its_own_has_failed(tmp_path: Path) -> None:
    other = tmp_path / "other.protoset"
    files = FileDescriptorSet().parse(own_descriptor_set())
    files.file = [file for file in files.file if "galaxy" not in file.name]
    other.write_bytes(bytes(files))

    outcome = await batch(f"contract --descriptor-set '{other}'\nversion -o value\n")

    assert outcome.code == 21
    assert "not compatible" in outcome.answers[0].splitlines()
    assert outcome.failure(1) == "the command ended with exit code 1"
    assert outcome.answers[1] == mxgateway.__version__


async def test_a_verbose_line_tells_its_error_on_stderr_as_the_command_alone_would() -> None:
    outcome = await batch("wite -v\nping --plaintext --endpoint 127.0.0.1:1 --json -v\nversion\n")

    assert outcome.code == 21
    failures = [json.loads(line) for line in outcome.err.splitlines() if line.startswith('{"error"')]
    assert [failure["error"]["grpcStatus"] for failure in failures] == ["UNAVAILABLE"]


async def test_the_last_line_needs_no_line_feed() -> None:
    outcome = await batch(b"version -o value")

    assert outcome.code == 0
    assert outcome.answers == [mxgateway.__version__]


async def test_the_mark_that_some_editors_put_first_is_not_part_of_the_first_command() -> None:
    outcome = await batch(b"\xef\xbb\xbfversion -o value\n")

    assert outcome.answers == [mxgateway.__version__]


async def test_a_line_that_is_too_long_is_refused_and_the_next_one_is_run() -> None:
    outcome = await batch(b"version " + b"x" * (17 * 1024 * 1024) + b"\nversion -o value\n")

    assert outcome.code == 21
    assert "longer than 16777216 bytes" in outcome.failure(1)
    assert outcome.answers[1] == mxgateway.__version__


async def test_a_line_of_megabytes_between_quotes_is_run(gateway: Gateway) -> None:
    text = "a b " * 500_000
    line = f"write --item TestChildObject.TestString --type string --value '{text}' --json\n"

    outcome = await batch(line, "--plaintext", env=gateway.env)

    assert outcome.code == 0, outcome.answers
    assert gateway.simulated.tag("TestChildObject.TestString").sample.native == text


async def test_values_that_read_like_the_marker_do_not_end_an_answer(gateway: Gateway) -> None:
    gateway.simulated.set_tag("TestChildObject.TestString", MARKER)
    stream = "stream-events --item TestChildObject.TestString --max-events 1"

    outcome = await batch("".join(f"{stream} -o {form}\n" for form in ("value", "json", "jsonl", "table")), "--plaintext", env=gateway.env)  # fmt: skip

    assert outcome.code == 0, outcome.answers
    assert len(outcome.answers) == 4
    assert outcome.answers[0] == rf"\x5f{MARKER[1:]}"
    assert json.loads(outcome.answers[1])["events"][0]["value"]["stringValue"] == MARKER
    assert json.loads(outcome.answers[2])["value"]["stringValue"] == MARKER


async def test_the_output_format_is_each_lines_own_and_the_batchs_where_a_line_says_nothing() -> None:
    outcome = await batch("version\nversion -o value\nversion --json\nversion -o table\nwite\n", "-o", "jsonl")

    assert outcome.answers[0] == json.dumps(json.loads(outcome.answers[0]), separators=(",", ":"))
    assert outcome.answers[1] == mxgateway.__version__
    assert outcome.answers[2].startswith("{\n")
    assert outcome.answers[3].startswith("operation ")
    assert outcome.error["message"] == "1 of 5 lines failed, first in line 5"


async def test_the_help_of_a_command_is_an_answer_like_any_other() -> None:
    outcome = await batch("ping --help\n--version\n--help\n")

    assert outcome.code == 0
    assert outcome.answers[0].startswith("Usage: mxgw-py ping [OPTIONS]")
    assert outcome.answers[1] == f"mxgw-py {mxgateway.__version__}"
    assert "stream-events" in outcome.answers[2]


async def test_no_answer_shows_a_key_and_a_key_on_stdin_is_in_no_process_list(gateway: Gateway) -> None:
    odd = f"plain-{SECRET}-key"
    gateway.simulated.fail_next("OpenSession", Status.INTERNAL, f"refused {KEY}")
    lines = f"open-session --api-key {KEY}\nping --api-key {odd}\nping --plaintext --tls --api-key {KEY}\nfrob {KEY}\n"

    outcome = await batch(lines, "--plaintext", "-v", env={**gateway.env, "MXGATEWAY_DEBUG": "1"})

    assert outcome.code == 21
    assert "refused mxgw_tests_***" in outcome.failure(1)
    assert SECRET not in outcome.out + outcome.err
    assert "process list" not in outcome.err


async def test_a_wrong_option_of_the_batch_itself_runs_no_line() -> None:
    outcome = await batch("version\n", "--plaintext", "--tls")

    assert outcome.code == 2
    assert outcome.out == ""
    assert "--plaintext and --tls contradict each other" in outcome.err
