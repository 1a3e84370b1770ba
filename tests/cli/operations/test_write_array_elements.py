from __future__ import annotations

from typing import Any

import pytest

from mxgateway import from_mx_value
from tests.cli.gateway import TAG, Gateway
from tests.cli.in_process import refused

INTS, TEXTS = "TestChildObject.TestIntArray[]", "TestChildObject.TestStringArray"


def value_of(gateway: Gateway, tag: str) -> Any:
    return from_mx_value(gateway.simulated.tag(tag.removesuffix("[]")).sample.message)


async def test_the_elements_are_written_and_the_others_are_reset_with_a_warning(gateway: Gateway) -> None:
    arguments = ("--element", "0=-5", "--element", "3=9", "--confirm", "-ojsonl")

    outcome = await gateway.mxgw("write-array-elements", INTS, *arguments)

    assert outcome.code == 0, outcome.err
    [document] = outcome.lines
    assert list(document)[4:] == [
        "tag",
        "totalLength",
        "elementCount",
        "resetCount",
        "confirmed",
        "event",
        "correlationId",
    ]
    assert (document["totalLength"], document["elementCount"], document["resetCount"]) == (5, 2, 3)
    assert '"warning"' in outcome.err
    assert "3 of 5 elements are not listed: they are RESET" in outcome.err
    assert value_of(gateway, INTS) == [-5, 0, 0, 9, 0]


async def test_type_and_length_can_be_given_and_the_tag_is_then_not_read(gateway: Gateway) -> None:
    arguments = ("--type", "string", "--total-length", "2", "--element", "1=a=b", "--element", "0=", "--confirm")

    outcome = await gateway.mxgw("write-array-elements", TEXTS, *arguments)
    resized = await gateway.mxgw("write-array-elements", TEXTS, "--total-length", "3", "--element", "2=c", "--confirm")

    assert (outcome.code, outcome.err) == (0, "")
    assert "ReadBulk" not in {str(call.method) for call in gateway.simulated.received}
    assert resized.code == 0, resized.err
    assert value_of(gateway, TEXTS) == ["", "", "c"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((INTS,), "Missing option '--element'"),
        ((INTS, "--element", "5"), "not INDEX=VALUE"),
        ((INTS, "--element", "-1=5"), "not INDEX=VALUE"),
        ((INTS, "--element", "1=5", "--element", "01=6"), "sets index 1 twice"),
        ((INTS, "--type", "int32", "--total-length", "3", "--element", "1=x"), "element[1] is 'x', not a whole number"),
        ((INTS, "--type", "int32", "--total-length", "3", "--element", "3=1"), "3"),
        (
            ("--session-id", "s", "--server-handle", "1", "--item-handle", "2", "--type", "int32", "--element", "0=1"),
            "give --type and --total-length",
        ),
    ],
)
def test_wrong_usage_is_told_before_anything_is_sent(arguments: tuple[str, ...], says: str) -> None:
    outcome = refused("write-array-elements", *arguments)

    assert (outcome.code, outcome.out) == (2, ""), outcome.err
    assert says in outcome.err.splitlines()[0]


async def test_what_does_not_fit_the_tag_is_refused_and_nothing_is_written(gateway: Gateway) -> None:
    for arguments, code, says in (
        ((TAG, "--element", "0=1"), 2, "is not an array"),
        ((INTS, "--element", "5=1"), 2, "5"),
        ((INTS, "--element", "0=x"), 2, "not a whole number"),
        (("No.Such[]", "--element", "0=1"), 22, "unknown tag"),
    ):
        outcome = await gateway.mxgw("write-array-elements", *arguments)
        assert (outcome.code, outcome.out) == (code, ""), outcome.err
        assert says in outcome.err.splitlines()[0]
    assert value_of(gateway, INTS) == [1, 2, 3, 4, 5]
