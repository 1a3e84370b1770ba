"""`tags` finds tags of the galaxy, page by page, in every format."""

from __future__ import annotations

from typing import Any

import pytest

from tests.cli.gateway import Gateway
from tests.cli.in_process import refused

LEVELS = ["Tank01.Level", "Tank02.Level"]
SPEEDS = [f"TestMachine_00{number}.Speed" for number in range(1, 7)]


async def names(gateway: Gateway, *arguments: str) -> list[str]:
    outcome = await gateway.mxgw("tags", "-o", "value", *arguments)
    assert outcome.code == 0, outcome.err
    return outcome.out.splitlines()


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("Tank*.Level",), LEVELS),
        (("tank0?.LEVEL",), LEVELS),
        (("Tank*",), LEVELS),
        (("Tank01.*", "Tank*.Level"), LEVELS),
        (("*_00?.Speed",), SPEEDS),
        (("TestChildObject.TestIntArray",), ["TestChildObject.TestIntArray[]"]),
        (("*.TestIntArray[]", "*.TestIntArray"), ["TestChildObject.TestIntArray[]"]),
        (("Tank*", "--historized-only"), ["Tank02.Level"]),
        (("Pump01", "--alarm-bearing-only", "--type", "bool"), None),
        (("*.Speed", "--count", "2"), SPEEDS[:2]),
        (("*.Speed", "--limit", "1"), SPEEDS[:1]),
        (("Tank01.Level", "--type", "float", "--type", "double"), ["Tank01.Level"]),
        (("Tank01.Level", "--type", "int32"), None),
        (("Tank",), None),
    ],
)
async def test_the_tags_that_match_are_found(
    gateway: Gateway, arguments: tuple[str, ...], expected: list[str] | None
) -> None:
    if expected is not None:
        assert await names(gateway, *arguments) == expected
        return
    outcome = await gateway.mxgw("tags", "-o", "value", *arguments)
    assert (outcome.code, outcome.out) == (1, "")
    assert outcome.err.startswith("error: no tag of the galaxy matches\nhint: ")


async def test_every_format_shows_the_same_tags(gateway: Gateway) -> None:
    table = await gateway.mxgw("tags", "Tank*")
    document = await gateway.mxgw("tags", "Tank*", "--json")
    lines = await gateway.mxgw("tags", "Tank*", "-ojsonl")

    assert [line.split() for line in table.out.splitlines()] == [
        ["tag", "type", "security", "historized", "alarm"],
        ["Tank01.Level", "float", "FreeAccess", "yes"],
        ["Tank02.Level", "float", "FreeAccess", "yes", "yes"],
    ]
    found: dict[str, Any] = document.document
    assert [*found] == ["operation", "correlationId", "tagCount", "tags"]
    assert found["tags"] == lines.lines
    assert lines.lines[1] == {
        "tag": "Tank02.Level",
        "value": None,
        "quality": None,
        "qualityText": "",
        "sourceTime": None,
        "ok": True,
        "error": "",
        "type": "float",
        "dataTypeName": "Float",
        "isArray": False,
        "arrayDimension": None,
        "securityClassification": "FreeAccess",
        "isHistorized": True,
        "isAlarm": True,
        "object": "Tank02",
        "template": "$SurgeTank",
    }


async def test_all_tags_of_the_galaxy_are_found_once(gateway: Gateway) -> None:
    found = await names(gateway)

    assert len(found) == len({*found}) > 50
    assert found == await names(gateway, "*.*", "T*", "*")


async def test_only_the_objects_that_can_match_are_asked_for_and_no_page_more_than_is_shown(gateway: Gateway) -> None:
    await names(gateway, "Tank01.Level")
    await names(gateway, "Tank*.Level")
    await names(gateway, "*.Level", "--count", "1")

    requests: list[Any] = [call.request for call in gateway.simulated.received if call.method == "DiscoverHierarchy"]
    assert [each.tag_name_glob or None for each in requests] == ["Tank01", "Tank*", None]


async def test_nothing_found_is_an_empty_document(gateway: Gateway) -> None:
    outcome = await gateway.mxgw("tags", "Nothing*", "--json")

    assert (outcome.code, outcome.document["tagCount"], outcome.document["tags"]) == (1, 0, [])
    assert outcome.error["message"].startswith("no tag of the galaxy matches")


@pytest.mark.parametrize(
    "arguments", [("a\nb.*",), (".Level",), ("--type", "real"), ("--count", "0"), ("T", "--count", "x"), ("",)]
)
def test_what_cannot_match_is_refused_before_anything_is_sent(arguments: tuple[str, ...]) -> None:
    outcome = refused("tags", *arguments)

    assert (outcome.code, outcome.out) == (2, "")
