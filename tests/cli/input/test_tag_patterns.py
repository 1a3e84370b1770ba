"""Patterns in the place of tags, in the commands that take several."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from mxgateway.simulator import Scope, SimulatedGateway, SimulatedKey
from mxgateway.simulator.plant.catalog import generated_plant
from mxgateway.testing.network.fault_proxy import FaultProxy
from tests.cli.batches import batch
from tests.cli.gateway import KEY, TAG, Gateway
from tests.cli.in_process import mxgw, refused
from tests.rows import each_row

SETPOINTS = [f"TestMachine_{number:03}.SpeedSetpoint" for number in range(1, 7)]


def galaxy_calls(gateway: Gateway) -> list[str]:
    return [
        call.method for call in gateway.simulated.received if call.method in ("DiscoverHierarchy", "BrowseChildren")
    ]


def galaxy_of(*scopes: Scope) -> SimulatedGateway:
    return SimulatedGateway(api_keys=[SimulatedKey.parse(KEY, scopes=set(Scope) - set(scopes))])


async def test_a_pattern_stands_for_all_tags_that_are_like_it(gateway: Gateway) -> None:
    read = await gateway.mxgw("read", "testmachine_*.SpeedSetpoint", "--json")
    question = await gateway.mxgw("read", "Tank0?.Level", "-ojsonl")
    array = await gateway.mxgw("read", "TestChildObject.TestInt*", "-ojsonl")

    assert (read.code, read.err) == (0, "")
    assert [each["tag"] for each in read.document["results"]] == SETPOINTS
    assert [each["value"] for each in read.document["results"]] == [1000] * 6
    assert sorted(each["tag"] for each in question.lines) == ["Tank01.Level", "Tank02.Level"]
    assert [each["tag"] for each in array.lines] == [
        "TestChildObject.TestInt", "TestChildObject.TestInternationalString", "TestChildObject.TestIntArray[]",
    ]  # fmt: skip
    assert len(gateway.simulated.sessions) == 0


async def test_a_pattern_is_looked_up_over_the_connection_of_the_command(gateway: Gateway) -> None:
    async with FaultProxy(gateway.simulated.port) as proxy:
        env = {**gateway.env, "MXGATEWAY_ENDPOINT": proxy.endpoint}
        outcome = await mxgw("read-bulk", "--items", "Tank0?.Level", "--plaintext", "-ojsonl", env=env)

        assert (outcome.code, len(outcome.lines)) == (0, 2)
        assert proxy.accepted == 1


async def test_a_tag_without_a_wildcard_never_asks_the_galaxy() -> None:
    async with galaxy_of(Scope.METADATA_READ) as simulated:
        gateway = Gateway(simulated)
        for arguments in (
            ("read", TAG), ("watch", TAG, "--count", "1"), ("check", TAG), ("write", TAG, "--value", "5"),
            ("read-bulk", "--items", TAG), ("subscribe-bulk", "--items", TAG), ("add-item-bulk", "--items", TAG),
        ):  # fmt: skip
            outcome = await gateway.mxgw(*arguments)
            assert outcome.code == 0, outcome.err
        assert galaxy_calls(gateway) == []


async def test_tags_keep_their_order_and_a_pattern_adds_none_that_is_there_already(gateway: Gateway) -> None:
    outcome = await gateway.mxgw("read", "tank02.level", TAG, "Tank0*.Level", "Tank*.L*", TAG, "-ojsonl")

    assert [each["tag"] for each in outcome.lines] == ["tank02.level", TAG, "Tank01.Level", TAG]


async def test_patterns_come_from_files_as_well(gateway: Gateway, tmp_path: Path) -> None:
    tags, rows = tmp_path / "tags.txt", tmp_path / "tags.csv"
    tags.write_text(f"{TAG}\nTestMachine_00*.SpeedSetpoint\n")
    rows.write_text(f"tag\n{TAG}\nTestMachine_00*.SpeedSetpoint\n")

    read = await gateway.mxgw("read", "--from", str(tags), "-ojsonl")
    table = await gateway.mxgw("read", "--from", str(rows), "-ojsonl")
    bulk = await gateway.mxgw("read-bulk", "--from", str(rows), "-ojsonl")

    assert [each["tag"] for each in read.lines] == [TAG, *SETPOINTS]
    assert [each["tag"] for each in table.lines] == [TAG, *SETPOINTS]
    assert [each["tag"] for each in bulk.lines] == [TAG, *SETPOINTS]


async def test_a_watch_and_the_bulk_commands_take_patterns(gateway: Gateway) -> None:
    watched = await gateway.mxgw("watch", "*.SpeedSetpoint", "--count", "6", "-ojsonl")
    session = await gateway.mxgw("open-session", "-ovalue")
    place = ("--session-id", session.out.strip(), "--server-handle")
    server = (await gateway.mxgw("register", *place[:2], "-ovalue")).out.strip()
    subscribed = await gateway.mxgw("subscribe-bulk", *place, server, "--items", "*.SpeedSetpoint", "--json")
    added = await gateway.mxgw("add-item-bulk", "--items", "Tank*.Level,Pump01.Hours", "-ojsonl")

    assert [each["tag"] for each in watched.lines] == SETPOINTS
    assert (subscribed.document["entries"], subscribed.document["successful"]) == (6, 6)
    assert [each["tag"] for each in added.lines] == ["Tank01.Level", "Tank02.Level", "Pump01.Hours"]


async def test_more_tags_than_the_bound_are_one_line_before_any_session_is_opened(gateway: Gateway) -> None:
    one = await gateway.mxgw("read", "*.SpeedSetpoint", "--max-tags", "5")
    enough = await gateway.mxgw("read", "*.SpeedSetpoint", "--max-tags", "6", "-ovalue")

    assert (one.code, one.out) == (2, "")
    assert one.err.splitlines() == [
        "error: '*.SpeedSetpoint' matches more than 5 tags", "hint: use a narrower pattern, or raise --max-tags",
    ]  # fmt: skip
    assert len(enough.out.splitlines()) == 6
    assert [call.method for call in gateway.simulated.received].count("OpenSession") == 1


async def test_the_bound_holds_for_all_patterns_together(gateway: Gateway) -> None:
    outcome = await gateway.mxgw("read", "*.SpeedSetpoint", "*.Recipe", "--max-tags", "11")

    assert outcome.code == 2
    assert outcome.err.splitlines()[0] == "error: the patterns match more than 11 tags"


async def test_a_thousand_tags_are_the_bound_where_nobody_says_otherwise() -> None:
    plant = generated_plant(600, 2)
    async with SimulatedGateway(api_keys=[SimulatedKey.parse(KEY)], plant=plant) as simulated:
        outcome = await Gateway(simulated).mxgw("read", "*.*")

    assert outcome.code == 2
    assert "matches more than 1000 tags" in outcome.err


@pytest.mark.parametrize(("count", "code"), [(("--count", "1"), 20), ((), 0)])
async def test_the_time_out_of_a_watch_holds_while_the_galaxy_is_asked(
    gateway: Gateway, count: tuple[str, ...], code: int
) -> None:
    async with FaultProxy(gateway.simulated.port) as proxy:

        def stalled(reply: Any) -> Any:
            proxy.to_client.freeze()
            return reply

        gateway.simulated.reply_override("DiscoverHierarchy", stalled)
        env = {**gateway.env, "MXGATEWAY_ENDPOINT": proxy.endpoint}
        outcome = await mxgw("watch", "Tank*.Level", *count, "--timeout", "2", "--plaintext", env=env)

    assert (outcome.code, outcome.out) == (code, "")
    assert galaxy_calls(gateway) == ["DiscoverHierarchy"]


@pytest.mark.parametrize("command", ["read", "watch", "read-bulk", "write"])
async def test_a_pattern_that_stands_for_nothing_is_one_line(gateway: Gateway, command: str) -> None:
    more = {"read-bulk": ("--items",), "write": ("--value", "1")}.get(command, ())
    outcome = await gateway.mxgw(command, *more, "Nothing*.Level")

    assert (outcome.code, outcome.out) == (1, "")
    assert outcome.err.splitlines()[0] == "error: no tag of the galaxy matches 'Nothing*.Level'"
    assert "galaxy-discover" in outcome.err.splitlines()[1]
    assert [call.method for call in gateway.simulated.received].count("OpenSession") == 0


async def test_a_key_that_may_not_look_into_the_galaxy_is_told_so() -> None:
    async with galaxy_of(Scope.METADATA_READ) as simulated:
        outcome = await Gateway(simulated).mxgw("read", "Tank*.Level")

    assert (outcome.code, outcome.out) == (71, "")
    error, hint = outcome.err.splitlines()
    assert "metadata:read" in error
    assert hint == (
        "hint: patterns are looked up in the galaxy: list the tags, or use a key that may browse it; "
        "to see what the key may do: mxgw-py doctor"
    )


@each_row(
    ("arguments", "says"),
    [
        (("read", "Tank*"), "The pattern 'Tank*' has no attribute: use 'Tank*.Level'"),
        (("watch", "*"), "has no attribute"),
        (("read", "Tank*.\x07"), "contains a character that no name in a galaxy has"),
        (("read", "Tank*.Level", "--max-tags", "0"), "--max-tags"),
        (("wait", "Tank*.Level", "--until", "good"), "tag is 'Tank*.Level', a pattern; list the tags"),
        (("write2", "T*.A", "--value", "1", "--timestamp", "2026-03-01T08:30:00Z"), "'T*.A' is a pattern"),
        (("write-secured", "T*.A", "--value", "1", "--user", "me", "--password-env", "PATH"), "'T*.A' is a pattern"),
        (("write-array-elements", "T*.A", "--element", "0=5"), "'T*.A' is a pattern"),
        (("write", TAG, "--value", "1", "--tag-count", "1"), "--tag-count requires a pattern"),
        (("write", "T*.A", "--type", "int32", "--value", "x"), "'x'"),
    ],
)
def test_a_pattern_where_there_can_be_none_is_wrong_usage(arguments: tuple[str, ...], says: str) -> None:
    outcome = refused(*arguments)

    assert (outcome.code, outcome.out) == (2, ""), outcome.err
    assert says in outcome.err


async def test_a_line_of_a_batch_takes_patterns_over_the_connection_of_the_others(gateway: Gateway) -> None:
    lines = f"read {TAG}\nread '*.SpeedSetpoint'\nread 'Nothing*.X'\n"
    async with FaultProxy(gateway.simulated.port) as proxy:
        outcome = await batch(
            lines, "--plaintext", "-ovalue", env={**gateway.env, "MXGATEWAY_ENDPOINT": proxy.endpoint}
        )

    assert outcome.answers[:2] == ["17", "\n".join(["1000.0"] * 6)]
    assert "no tag of the galaxy matches" in outcome.failure(3)
    assert proxy.accepted == 1


# -- check


async def test_a_check_of_a_pattern_is_as_grave_as_its_gravest_tag(gateway: Gateway) -> None:
    gateway.simulated.set_tag("TestMachine_004.SpeedSetpoint", 3000.0)
    well = await gateway.mxgw("check", "*.SpeedSetpoint", "--critical", "5000")
    bad = await gateway.mxgw("check", "*.SpeedSetpoint", "--warning", "500", "--critical", "2000")

    assert (well.code, bad.code) == (0, 2)
    words, _, data = well.out.rstrip().partition(" | ")
    assert words == "TAGS OK - 6 tags matching *.SpeedSetpoint are OK"
    assert data.split()[3] == "'TestMachine_004.SpeedSetpoint'=3000.0;;5000"
    assert bad.out.startswith(
        "TAGS CRITICAL - 6 of 6 tags matching *.SpeedSetpoint are not OK; TestMachine_004.SpeedSetpoint: its value is outside "
        "2000; TestMachine_001.SpeedSetpoint: its value is outside 500; "
    )
    assert "; and 1 more | " in bad.out


@pytest.mark.parametrize("number", [0.0, -0.0, 0.25, 1e-300])
async def test_a_figure_is_the_same_in_the_check_of_a_pattern_and_of_its_tag(gateway: Gateway, number: float) -> None:
    tag = "TestMachine_004.SpeedSetpoint"
    gateway.simulated.set_tag(tag, number)
    of_pattern = (await gateway.mxgw("check", "*_004.SpeedSetpoint")).out
    of_tag = (await gateway.mxgw("check", tag)).out

    assert f"'{tag}'={number!r}" in of_pattern.split()
    assert f"value={number!r}" in of_tag.split()


async def test_a_check_of_a_pattern_tells_each_tag_in_json_and_for_prometheus(gateway: Gateway) -> None:
    gateway.simulated.set_tag("Tank01.Level", 95.0)
    document = await gateway.mxgw("check", "Tank01.*", "--critical", "90", "--json")
    metrics = await gateway.mxgw("check", "TestMachine_00*.SpeedSetpoint", "--format", "prometheus")

    assert document.code == 1
    assert list(document.document) == [
        "operation",
        "pattern",
        "status",
        "tagCount",
        "notOkCount",
        "results",
        "correlationId",
    ]
    assert (document.document["status"], document.document["tagCount"], document.document["notOkCount"]) == (
        "CRITICAL",
        1,
        1,
    )
    assert document.document["results"][0]["tag"] == "Tank01.Level"
    assert document.error["message"].startswith("1 of 1 tags are not OK; Tank01.Level is critical")
    assert metrics.code == 0
    assert len(re.findall(r"^# TYPE mxgateway_tag_value gauge$", metrics.out, re.MULTILINE)) == 1
    assert re.findall(r'^mxgateway_tag_value{tag="(.+)"} 1000.0$', metrics.out, re.MULTILINE) == SETPOINTS


async def test_a_check_of_a_pattern_that_stands_for_nothing_or_too_much_is_unknown(gateway: Gateway) -> None:
    nothing = await gateway.mxgw("check", "Nothing*.Level")
    too_much = await gateway.mxgw("check", "*.SpeedSetpoint", "--max-tags", "2")
    no_pattern = await gateway.mxgw("check", "Tank*")

    for outcome, says in (
        (nothing, "no tag of the galaxy matches"),
        (too_much, "more than 2 tags"),
        (no_pattern, "has no attribute"),
    ):
        assert (outcome.code, outcome.err) == (3, "")
        assert outcome.out.startswith("TAG UNKNOWN - ")
        assert says in outcome.out


async def test_an_embedded_gateway_has_a_galaxy_as_well() -> None:
    outcome = await mxgw("read", "Tank*.Level", "--simulator", "-ojsonl")

    assert outcome.code == 0, outcome.err
    assert [each["tag"] for each in outcome.lines] == ["Tank01.Level", "Tank02.Level"]
