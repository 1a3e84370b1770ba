"""A FLOAT is shown and compared as it was entered, by every command."""

from __future__ import annotations

import json
from collections.abc import Callable

from mxgateway import proto, to_mx_value
from mxgateway_cli.input.thresholds import Range
from mxgateway_cli.input.typed_text import message_value
from tests.cli.gateway import Gateway
from tests.cli.process import Outcome
from tests.rows import each_row

TAG, ARRAY = "TestChildObject.TestFloat", "TestChildObject.TestFloatArray[]"


async def test_every_command_shows_and_compares_a_float_as_entered(gateway: Gateway) -> None:
    gateway.simulated.set_tag(TAG, 69.8)
    gateway.simulated.set_tag(ARRAY, [0.1, 0.2])
    rows: list[tuple[tuple[str, ...], Callable[[Outcome], bool]]] = [
        (("read", TAG, "-o", "value"), lambda outcome: outcome.out == "69.8\n"),
        (("read", TAG, "-o", "table"), lambda outcome: " 69.8 " in outcome.out),
        (("read", TAG, "-o", "jsonl"), lambda outcome: json.loads(outcome.out)["value"] == 69.8),
        (("read", ARRAY, "-o", "value"), lambda outcome: outcome.out == "[0.1, 0.2]\n"),
        (("read", ARRAY, "-o", "jsonl"), lambda outcome: json.loads(outcome.out)["value"] == [0.1, 0.2]),
        (("read-bulk", "--items", TAG, "-o", "value"), lambda outcome: outcome.out == "69.8\n"),
        (("read-bulk", "--items", TAG, "-o", "table"), lambda outcome: "69.8 " in outcome.out),
        (("watch", TAG, "--count", "1", "-o", "value"), lambda outcome: outcome.out == "69.8\n"),
        (("watch", TAG, "--count", "1", "-o", "jsonl"), lambda outcome: json.loads(outcome.out)["value"] == 69.8),
        (("wait", TAG, "--until", "<= 69.8", "-o", "value"), lambda outcome: outcome.out == "69.8\n"),
        (("wait", TAG, "--until", ">= 69.80000305175781", "-o", "value"), lambda outcome: outcome.out == "69.8\n"),
        (("check", TAG, "--critical", "0:69.8"), lambda outcome: "is 69.8 (good)" in outcome.out),
        (("check", TAG, "--critical", "0:69.8"), lambda outcome: "| value=69.8;;0:69.8 " in outcome.out),
        (("check", TAG, "--critical", "69.80000305175781:"), lambda outcome: "TAG OK" in outcome.out),
        (("check", TAG, "--format", "prometheus"), lambda outcome: f'tag_value{{tag="{TAG}"}} 69.8\n' in outcome.out),
        (("write", TAG, "--value", "0.1", "--dry-run", "-o", "json"),
         lambda outcome: (outcome.document["oldValue"], outcome.document["value"]) == (69.8, 0.1)),
        (("write", "TestChildObject.TestFloa*", "--value", "0.1", "--dry-run", "-o", "jsonl"),
         lambda outcome: (outcome.lines[0]["oldValue"], outcome.lines[0]["value"]) == (69.8, 0.1)),
    ]  # fmt: skip
    wrong = []
    for arguments, holds in rows:
        outcome = await gateway.mxgw(*arguments)
        if outcome.code or not holds(outcome):
            wrong.append((arguments, outcome))
    assert wrong == []


@each_row(
    ("message", "shown"),
    [
        (to_mx_value(0.1, data_type=proto.MxDataType.FLOAT), 0.1),
        (to_mx_value([0.1], data_type=proto.MxDataType.FLOAT), [0.1]),
        (proto.MxValue(variant_type="VT_R4", float_value=0.10000000149011612), 0.1),
        (proto.MxValue(variant_type="VT_R8", double_value=0.10000000149011612), 0.10000000149011612),
        (to_mx_value(None), None), (proto.MxValue(), None), (to_mx_value("0.1"), "0.1"),
    ],
)  # fmt: skip
def test_the_value_of_a_message_is_shown_by_its_type(message: proto.MxValue, shown: object) -> None:
    assert message_value(message) == shown


def test_the_limits_of_a_range_are_as_precise_as_the_value() -> None:
    limits = Range.parse("69.80000000001:1e39").of_type(proto.MxDataType.FLOAT)
    assert not limits.alerts(69.8)
    assert Range.parse("69.80000000001:1e39").of_type(proto.MxDataType.DOUBLE).alerts(69.8)
    assert Range.parse("~:5").of_type(proto.MxDataType.FLOAT) == Range.parse("~:5")
