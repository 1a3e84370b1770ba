from __future__ import annotations

import re

import pytest
from grpclib.const import Status

from tests.cli.gateway import KEY, SECRET, TAG, Gateway
from tests.cli.in_process import mxgw, refused
from tests.cli.process import Outcome

NUMBER = r"-?\d+(\.\d+)?(e-\d+)?"


def line_of(outcome: Outcome) -> tuple[str, str]:
    """Return words and performance data of a Nagios plugin's one line."""
    assert outcome.err == ""
    [line] = outcome.out.splitlines()
    words, _, data = line.partition(" | ")
    return words, data


async def test_each_state_has_its_line_and_its_exit_code_for_nagios(gateway: Gateway) -> None:
    cases = {
        (TAG, "--warning", "10:20", "--critical", "0:30", "--max-age", "3600"): (0, f"TAG OK - {TAG} is 17 (good), "),
        (TAG, "--warning", "10", "--critical", "20"): (1, "its value is outside 10"),
        ("TestChildObject.UncertainInt",): (1, "its quality is uncertain"),
        (TAG, "--warning", "10", "--critical", "@10:20"): (2, "its value is inside 10:20"),
        ("TestChildObject.BadInt",): (2, "without a value (bad)"),
        ("TestChildObject.SilentInt", "--timeout-ms", "50"): (2, "No value within 50 ms."),
        ("No.Such",): (3, "unknown tag"),
        ("TestChildObject.TestString", "--critical", "10"): (3, "not a number"),
        ("TestChildObject.UncertainInt", "--quality", "uncertain"): (0, "is 5 (uncertain)"),
    }
    for arguments, (code, says) in cases.items():
        outcome = await gateway.mxgw("check", *arguments)
        words, _ = line_of(outcome)
        assert outcome.code == code, outcome.out
        assert words.startswith(f"TAG {['OK', 'WARNING', 'CRITICAL', 'UNKNOWN'][code]} - {arguments[0]}")
        assert says in words
    assert not gateway.simulated.sessions


async def test_performance_data_carry_the_numbers_and_their_ranges(gateway: Gateway) -> None:
    gateway.simulated.set_tag("TestChildObject.TestString", "a|b\n")
    number = await gateway.mxgw("check", TAG, "--warning", "10", "--critical", "~:20", "--max-age", "3600")
    text = await gateway.mxgw("check", "TestChildObject.TestString")

    assert re.fullmatch(rf"value=17;10;~:20 age={NUMBER}s;;3600 round_trip={NUMBER}s", line_of(number)[1])
    words, data = line_of(text)
    assert r"is a¦b\n (good)" in words
    assert re.fullmatch(rf"age={NUMBER}s round_trip={NUMBER}s", data)


async def test_a_check_that_fails_is_critical_or_unknown_for_nagios(gateway: Gateway) -> None:
    gateway.simulated.fail_next("OpenSession", Status.UNAVAILABLE, f"down {KEY}", times=5)
    down = await gateway.mxgw("check", TAG)
    gateway.simulated.switches.clear()
    wrong_key = await mxgw("check", TAG, "--plaintext", env={**gateway.env, "MXGATEWAY_API_KEY": f"mxgw_o_{SECRET}"})
    nobody = await mxgw("check", TAG, "--plaintext", "--endpoint", "127.0.0.1:1")

    for outcome, code, says in ((down, 2, "down"), (wrong_key, 3, "API key"), (nobody, 2, "nothing is listening")):
        assert outcome.code == code, outcome.out
        words, data = line_of(outcome)
        assert says in words
        assert (data, SECRET in words) == ("", False)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--warning", "20:10"), "--warning '20:10' starts above its end"),
        (("--critical", "ten"), "--critical 'ten' is not a range: use 10 (0 to 10 is OK)"),
        (("--simulator",), "--simulator and --endpoint contradict each other"),
    ],
)
def test_what_is_set_up_wrongly_is_unknown_for_nagios(arguments: tuple[str, ...], says: str) -> None:
    outcome = refused("check", TAG, *arguments)

    assert outcome.code == 3
    words, _ = line_of(outcome)
    assert words.startswith(f"TAG UNKNOWN - {TAG}: ")
    assert says in words


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("check",), "Missing argument 'TAG'"),
        (("check", TAG, "--max-age", "0"), "not a positive number"),
        (("check", TAG, "--format", "prometheus", "-o", "json"), "contradict each other"),
        (("check", TAG, "--json", "--warning", "x"), "is not a range"),
    ],
)
def test_a_command_line_that_cannot_be_read_is_wrong_usage(arguments: tuple[str, ...], says: str) -> None:
    outcome = refused(*arguments)

    assert (outcome.code, outcome.out) == (2, "")
    assert says in outcome.err


SAMPLE = re.compile(rf'(mxgateway_\w+)\{{tag="((?:[^"\\\n]|\\[\\"n])*)"\}} ({NUMBER})')


def samples(text: str) -> dict[str, tuple[str, float]]:
    """Return label and number of each metric, after its HELP and TYPE lines."""
    found: dict[str, tuple[str, float]] = {}
    lines = text.splitlines()
    for help_line, type_line, sample in zip(lines[::3], lines[1::3], lines[2::3], strict=True):
        match = SAMPLE.fullmatch(sample)
        assert match is not None, sample
        assert help_line.startswith(f"# HELP {match[1]} ")
        assert type_line == f"# TYPE {match[1]} gauge"
        found[match[1].removeprefix("mxgateway_")] = (match[2], float(match[3]))
    return found


async def test_prometheus_gets_metrics_in_its_text_format(gateway: Gateway) -> None:
    read = await gateway.mxgw("check", TAG, "--format", "prometheus", "--critical", "10")
    text = await gateway.mxgw("check", "TestChildObject.TestString", "--format", "prometheus")
    unknown = await gateway.mxgw("check", 'a"b\\c\nd', "--format", "prometheus")
    nobody = await mxgw("check", TAG, "--format", "prometheus", "--plaintext", "--endpoint", "127.0.0.1:1")

    assert (read.code, text.code, unknown.code, nobody.code) == (0, 0, 0, 78)
    found = samples(read.out)
    assert list(found) == [
        "check_status", "tag_up", "tag_value", "tag_quality", "tag_age_seconds", "tag_round_trip_seconds",
    ]  # fmt: skip
    assert {label for label, _ in found.values()} == {TAG}
    assert (found["check_status"][1], found["tag_up"][1], found["tag_value"][1]) == (2, 1, 17)
    assert (found["tag_quality"][1], found["tag_age_seconds"][1] > 0) == (192, True)
    assert "tag_value" not in samples(text.out)
    assert samples(unknown.out)["tag_up"] == (r"a\"b\\c\nd", 0)
    assert samples(nobody.out) == {"check_status": (TAG, 2), "tag_up": (TAG, 0)}
    assert "nothing is listening" in nobody.err


async def test_json_tells_state_and_reasons(gateway: Gateway) -> None:
    well = await gateway.mxgw("check", TAG, "--json")
    critical = await gateway.mxgw("check", TAG, "--format", "json", "--critical", "10")
    state = await gateway.mxgw("check", TAG, "-o", "value", "--warning", "10")

    assert (well.code, critical.code, state.code) == (0, 1, 1)
    assert list(well.document) == [
        "operation", "tag", "value", "quality", "qualityText", "sourceTime", "ok", "error", "status", "reasons",
        "dataType", "ageSeconds", "roundTripMs", "correlationId",
    ]  # fmt: skip
    assert (well.document["status"], well.document["reasons"], well.document["value"]) == ("OK", [], 17)
    assert critical.document["status"] == "CRITICAL"
    assert critical.document["reasons"] == ["its value is outside 10"]
    assert critical.error["message"] == f"{TAG} is critical: its value is outside 10"
    assert state.out == "WARNING\n"
