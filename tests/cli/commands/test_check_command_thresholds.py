from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

import mxgateway
from mxgateway import TagValue, Timestamp, proto
from mxgateway_cli.input.thresholds import Limits, Range, Reading, State, Verdict, judge, judge_failure
from mxgateway_cli.output.check import escaped_label, prometheus_text
from tests.rows import each_row

NONE = Limits(warning=None, critical=None, max_age=None, quality="any")
ANYTHING = st.floats(allow_nan=False)


def reading(value: object = 5, *, quality: int = 192, age: float | None = 1.0, ok: bool = True) -> Reading:
    moment = Timestamp(2026, 3, 1) if age is not None else None
    tag = TagValue("Tag", value, quality, moment, proto.MxDataType.INTEGER, ok, False, "" if ok else "no luck", ())  # type: ignore[arg-type]
    return Reading(tag, age, 0.01)


# The examples of the Nagios plugins' own guidelines, with the values at which they alert and do not.
@each_row(
    ("text", "alerts", "well"),
    [
        ("10", [-0.1, 10.1, -math.inf], [0, 5, 10]),
        ("10:", [9.9, -5], [10, 1e9, math.inf]),
        ("~:10", [10.1], [10, -1e9, -math.inf]),
        ("10:20", [9, 21], [10, 15, 20]),
        ("@10:20", [10, 15, 20], [9, 21]),
        ("@~:0", [-1, 0], [0.1]),
        ("-2.5:-.5e1", None, None),
        ("-5:-2.5", [-6, 0], [-5, -3, -2.5]),
        (" 1e3 ", [1001], [1000]),
        (":10", [-1, 11], [0, 10]),
    ],
)
def test_ranges_alert_as_those_of_nagios_plugins(
    text: str, alerts: list[float] | None, well: list[float] | None
) -> None:
    if alerts is None or well is None:
        with pytest.raises(ValueError, match="starts above its end"):
            Range.parse(text)
        return
    found = Range.parse(text)

    assert [found.alerts(value) for value in alerts] == [True] * len(alerts)
    assert [found.alerts(value) for value in well] == [False] * len(well)
    assert found.alerts(math.nan)


@each_row("text", ["", "@", "a", "1:2:3", "10~", "~", "1,5", "inf", "--1", "1 2", "٣"])
def test_what_is_no_range_is_refused_with_what_is_one(text: str) -> None:
    with pytest.raises(ValueError, match=r"is not a range: use 10 \(0 to 10 is OK\)"):
        Range.parse(text)


@given(ANYTHING, ANYTHING, ANYTHING)
def test_a_range_with_the_sign_alerts_where_the_other_does_not(low: float, high: float, value: float) -> None:
    if math.isinf(low) or math.isinf(high):
        return
    low, high = sorted((low, high))
    text = f"{low!r}:{high!r}"

    assert Range.parse(text).alerts(value) is not Range.parse(f"@{text}").alerts(value)


@each_row(
    ("given_reading", "limits", "state"),
    [
        (reading(), NONE, State.OK),
        (reading(quality=0), NONE, State.OK),
        (reading(quality=0), Limits(warning=None, critical=None, max_age=None, quality="good"), State.CRITICAL),
        (reading(quality=64), Limits(warning=None, critical=None, max_age=None, quality="good"), State.WARNING),
        (reading(quality=64), Limits(warning=None, critical=None, max_age=None, quality="uncertain"), State.OK),
        (reading(age=61), Limits(warning=None, critical=None, max_age=60, quality="any"), State.CRITICAL),
        (reading(age=None), Limits(warning=None, critical=None, max_age=60, quality="any"), State.UNKNOWN),
        (reading(True), Limits(warning=Range.parse("0:0"), critical=None, max_age=None, quality="any"), State.WARNING),
        (reading("5"), Limits(warning=Range.parse("9"), critical=None, max_age=None, quality="any"), State.UNKNOWN),
        (reading([5]), Limits(warning=None, critical=Range.parse("9"), max_age=None, quality="any"), State.UNKNOWN),
        (reading("5", age=61), Limits(warning=Range.parse("9"), critical=None, max_age=60, quality="any"), State.CRITICAL),
        (reading(ok=False), NONE, State.CRITICAL),
    ],
)  # fmt: skip
def test_the_gravest_finding_counts(given_reading: Reading, limits: Limits, state: State) -> None:
    verdict = judge(given_reading, limits)

    assert verdict.state is state
    assert bool(verdict.reasons) is (state is not State.OK)


def test_all_reasons_are_told_the_gravest_first() -> None:
    limits = Limits(warning=Range.parse("1"), critical=None, max_age=60, quality="good")
    verdict = judge(reading(5, quality=64, age=61), limits)

    assert verdict.state is State.CRITICAL
    assert [reason.split()[1] for reason in verdict.reasons] == ["is", "quality", "value"]


def test_a_gateway_that_is_down_is_critical_and_a_wrong_key_unknown() -> None:
    assert judge_failure(mxgateway.MxGatewayTransportError("down")).state is State.CRITICAL
    assert judge_failure(mxgateway.MxGatewayAuthenticationError("who")).state is State.UNKNOWN


@given(st.text())
def test_any_label_is_one_line_that_ends_where_it_should(text: str) -> None:
    escaped = escaped_label(text)

    assert "\n" not in escaped
    plain = escaped.replace(r"\\", "").replace(r"\"", "").replace(r"\n", "")
    assert not {'"', "\\"} & set(plain)


@pytest.mark.parametrize(
    ("value", "text"), [(math.nan, "NaN"), (math.inf, "+Inf"), (-math.inf, "-Inf"), (True, "1"), (2**60, str(2**60))]
)
def test_numbers_are_written_as_prometheus_reads_them(value: float, text: str) -> None:
    metrics = prometheus_text([("Tag", Verdict(State.OK, []), reading(value))])

    assert f'mxgateway_tag_value{{tag="Tag"}} {text}' in metrics.splitlines()
