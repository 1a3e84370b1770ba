from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.in_process import mxgw
from tests.rows import each_row

KEY = "mxgw_someone_v3rysecret"


@each_row(
    ("arguments", "says"),
    [
        (("frobnicate",), "no such command 'frobnicate'"),
        (("wite",), "; did you mean write"),
        (("ping", "--plaintext", "--tls"), "--plaintext and --tls contradict each other"),
        (("ping", "--plaintext", "--ca-file", __file__), "--plaintext and --ca-file contradict each other"),
        (("ping", "--plaintext", "--pin", "00" * 32), "--plaintext and --pin contradict each other"),
        (("ping", "--plaintext", "--known-hosts", "f"), "--plaintext and --known-hosts contradict each other"),
        (("ping", "--plaintext", "--client-cert", __file__), "--plaintext and --client-cert contradict each other"),
        (("ping", "--simulator", "--proxy", "http://p:1"), "--simulator and --proxy contradict each other"),
        (("ping", "--simulator", "--authority", "gw"), "--simulator and --authority contradict each other"),
        (("ping", "--simulator", "--pin", "00" * 32), "--simulator and --pin contradict each other"),
        (("ping", "--known-hosts", "f", "--ca-file", __file__), "--known-hosts and --ca-file contradict each other"),
        (("ping", "--known-hosts", "f", "--pin", "00" * 32), "--known-hosts and --pin contradict each other"),
        (
            ("ping", "--known-hosts", "f", "--require-certificate-validation"),
            "--known-hosts and --require-certificate-validation contradict each other",
        ),
        (("ping", "--client-key", __file__), "--client-key requires --client-cert"),
        (("ping", "--pin", "00" * 31), "it has 62 hex digits"),
        (("ping", "--known-hosts", "."), "is a directory"),
        (("ping", "--proxy", "proxy:3128"), "does not begin with http://"),
        (("ping", "--simulator", "--endpoint", "localhost:1"), "--simulator and --endpoint contradict each other"),
        (("ping", "--endpoint", "http://localhost:1"), "--plaintext is required"),
        (("ping", "--endpoint", "https://localhost:1", "--plaintext"), "requires TLS"),
        (("ping", "--endpoint", "localhost"), "the port is missing"),
        (("ping", "--endpoint", "ftp://localhost:1"), "not http or https"),
        (("ping", "--endpoint", "::1:5000"), "brackets"),
        (("ping", "--json", "-o", "value"), None),
        (("ping", "--timeout", "nan"), "not a number of seconds"),
        (("ping", "--timeout", "0"), "not a positive number"),
        (("ping", "--timeout", "soon"), "not a number of seconds"),
        (("ping", "--ca-file", "no-such-file.pem"), "does not exist"),
        (("ping", "--api-key-file", "no-such-file"), "does not exist"),
        (("ping", "--api-key-env", "NO_SUCH_VARIABLE"), "'NO_SUCH_VARIABLE' named by --api-key-env is not set"),
        (("ping", "--api-key", KEY, "--api-key-env", "X"), "--api-key and --api-key-env contradict each other"),
        (("ping", "--api-key", f"{KEY}\x01"), "that is not allowed in an HTTP header"),
        (("ping", KEY), "unexpected extra argument"),
        (("close-session",), "Missing option '--session-id'"),
        (("advise", "--simulator"), "Name the item"),
        (("advise", "--simulator", "--item-handle", "1"), "--item-handle requires --session-id"),
        (("advise", "--session-id", "s", "--server-handle", "1"), "--session-id requires --item-handle"),
        (("advise", "--session-id", "s", "--server-handle", "1", "--item-handle", "1", "--item", "T"), "TAG cannot be used"),
        (("stream-events", "--simulator"), "either --session-id, or TAG"),
        (("stream-events", "--simulator", "--item", "T", "--after-worker-sequence", "4"), "resumes an open session"),
        (("stream-events", "--session-id", "s", "--max-events", "0"), "--max-events"),
        (("smoke", "--simulator", "--type", "int32"), "--type requires VALUE"),
        (("write", "--simulator", "--item", "T", "--type", "int33", "--value", "1"), "--type"),
        (("write", "--simulator", "--item", "T", "--type", "double", "--value", "nan"), "not a finite number"),
        (("write", "--simulator", "--item", "T", "--type", "int32", "--value", "2147483648"), "2147483648"),
        (("write", "--simulator", "--item", "T", "--type", "int32[]", "--value", "1,x"), "not a whole number"),
        (("write", "--simulator", "--item", "T", "--type", "time", "--value", "2026-03-01T08:30:00"), "time zone"),
        (
            ("write2", "--simulator", "--item", "T", "--type", "bool", "--value", "1", "--timestamp", "noon"),
            "timestamp is 'noon'",
        ),
        (("advise", "--simulator", "--session-id", "s", "--server-handle", "4294967296", "--item-handle", "1"), "4294967296"),
        (("contract", "--export", "a", "--descriptor-set", __file__), "--export and --descriptor-set contradict each other"),
        (("simulate", "--port", "70000"), "--port"),
    ],
)  # fmt: skip
async def test_wrong_usage_is_one_clear_line_with_exit_code_2_and_nothing_on_stdout(
    arguments: tuple[str, ...], says: str | None
) -> None:
    outcome = await mxgw(*arguments)

    assert outcome.code == 2
    assert outcome.out == ""
    assert "Traceback" not in outcome.err
    assert "v3rysecret" not in outcome.err
    if says is not None:
        [line] = [line for line in outcome.err.splitlines() if line.startswith("error: ")]
        assert says in line


async def test_wrong_usage_is_a_json_object_where_json_was_asked_for() -> None:
    outcome = await mxgw("write", "--json", "--type", "int32")

    assert outcome.code == 2
    assert list(json.loads(outcome.err)) == ["error"]
    assert outcome.error == {
        "type": "UsageError",
        "message": "Name the item: TAG, or --session-id with --server-handle and --item-handle; see 'mxgw-py write --help'",
        "grpcStatus": None,
        "phase": "request",
        "endpoint": None,
        "retryable": False,
        "hresult": None,
        "statuses": [],
    }


@pytest.mark.parametrize("form", [("-o", "json"), ("-ojsonl",), ("--output=json",)])
async def test_every_way_to_ask_for_json_reports_errors_as_json(form: tuple[str, ...]) -> None:
    outcome = await mxgw("ping", "--no-such-option", *form)

    assert outcome.error["type"] == "UsageError"


@pytest.mark.parametrize("content", [b"", b"  \n", b"two words\n", b"\xff\xfe\x00"])
async def test_a_key_file_without_a_usable_key_is_named_and_its_content_is_not_shown(
    tmp_path: Path, content: bytes
) -> None:
    file = tmp_path / "key"
    file.write_bytes(content)

    outcome = await mxgw("ping", "--api-key-file", str(file))

    assert outcome.code == 2
    assert str(file) in outcome.err
    assert "two words" not in outcome.err


async def test_without_arguments_the_next_steps_are_shown() -> None:
    outcome = await mxgw()

    assert outcome.code == 0
    assert outcome.out.startswith("Usage: mxgw-py ")
    assert len(outcome.out.splitlines()) < 10
    assert {"mxgw-py smoke --simulator", "mxgw-py help"} <= {line[2:28].strip() for line in outcome.out.splitlines()}
