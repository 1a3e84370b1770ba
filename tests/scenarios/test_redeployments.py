"""Items under a deployment that removes, renames and retypes their tags: MXAccess says so, and nothing goes nowhere."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from mxgateway import MxAccessError, from_mx_value, proto
from mxgateway.simulator import DataType, SimulatedGateway
from tests.client.support import advised, connect
from tests.scenarios.rig import LEVEL, TAG, until, world

GONE = [
    ("a tag is removed", f'remove = ["{TAG}"]'),
    ("its object is removed", 'remove = ["TestChildObject"]'),
    ("what contains it is removed", 'remove = ["TestMachine_001"]'),
    ("a tag is renamed", f'rename = {{ "{TAG}" = "TestChildObject.Other" }}'),
    ("its object is renamed", 'rename = { TestChildObject = "Other" }'),
]


def deployment(text: str) -> str:
    return f"[[steps]]\ndeploy = {{ {text} }}\n"


@pytest.mark.parametrize("how", [text for _, text in GONE], ids=[name for name, _ in GONE])
async def test_an_item_whose_tag_is_gone_says_so_and_takes_no_write_until_the_tag_is_back(how: str) -> None:
    async with world("") as here, here.subscribed(TAG) as consumer, here.session() as session:
        item = await advised(session, TAG)
        await here.play(deployment(how))
        await until(lambda: consumer.updates[-1].quality == 0)
        gone = consumer.updates[-1]
        assert (gone.value, gone.is_good) == (None, False)
        assert "1003" in gone.error
        with pytest.raises(MxAccessError) as refused:
            await session.write_confirmed(*item.pair, 5, timeout=5)
        assert refused.value.statuses[0].category is proto.MxStatusCategory.CONFIGURATION_ERROR
        (read,) = await session.read([TAG])
        assert (read.ok, read.value) == (False, None)
        assert read.error
        (outcome,) = await session.write_tags({TAG: 5}, confirm=True)
        assert not outcome.ok
        await here.play(deployment("first = true"))
        await until(lambda: consumer.updates[-1].is_good)
        await session.write_confirmed(*item.pair, 6, timeout=5)
        await until(lambda: consumer.values[TAG] == 6)
        assert (await session.read([TAG]))[0].value == 6


async def test_a_renamed_tag_is_there_under_its_new_name_with_its_first_value() -> None:
    async with world("") as here, here.session() as session:
        item = await advised(session, "TestChildObject.Other")
        await here.play(deployment(GONE[3][1]))
        await session.write_confirmed(*item.pair, 6, timeout=5)
        assert (await session.read(["TestChildObject.Other"]))[0].value == 6


async def test_a_retyped_tag_delivers_a_value_of_its_new_type() -> None:
    async with world("") as here, here.subscribed(TAG, LEVEL) as consumer, here.session() as session:
        item = await advised(session, TAG)
        await here.play(deployment(f'retype = {{ "{TAG}" = "string", "{LEVEL}" = "boolean" }}'))
        await until(lambda: consumer.values[TAG] == "" and consumer.values[LEVEL] is False)
        assert all(update.is_good for update in consumer.updates[-2:])
        await session.write_confirmed(*item.pair, "text", timeout=5)
        await until(lambda: consumer.values[TAG] == "text")


async def test_what_a_deployment_does_not_touch_goes_on_without_an_event() -> None:
    async with world("") as here, here.subscribed(TAG, LEVEL) as consumer:
        before = len(consumer.updates)
        await here.play(deployment('remove = ["Tank01"]'))
        await until(lambda: consumer.values[LEVEL] is None)
        here.gateway.set_tag(TAG, 4)
        await until(lambda: consumer.values[TAG] == 4)
        assert [update.tag for update in consumer.updates[before:]] == [LEVEL, TAG]


async def test_an_accepted_write_whose_tag_goes_before_it_is_done_is_not_confirmed() -> None:
    async with world("") as here, here.session() as session:
        item = await advised(session, TAG)
        here.gateway.hold_write_completions()
        writing = asyncio.create_task(session.write_confirmed(*item.pair, 5, timeout=10))
        await until(lambda: here.gateway.switches.counts["Invoke.Write"])
        here.gateway.deploy(remove=[TAG])
        here.gateway.release_write_completions()
        with pytest.raises(MxAccessError):
            await writing


async def test_a_suspended_item_learns_of_it_when_it_is_activated() -> None:
    async with world("") as here, here.session() as session, session.stream_events() as events:
        item = await advised(session, TAG)
        await anext(events)
        await session.suspend(*item.pair)
        here.gateway.deploy(remove=[TAG])
        await session.activate(*item.pair)
        while (event := await anext(events)).family is not proto.MxEventFamily.ON_DATA_CHANGE:
            pass
        assert (event.quality, event.statuses[0].detail) == (0, 1003)


async def test_a_buffered_item_reports_its_old_values_before_the_new_type() -> None:
    async with world("") as here, here.session() as session, session.stream_events() as events:
        server = await session.register("tests")
        await session.set_buffered_update_interval(server, 100)
        await session.add_buffered_item(server, TAG, "")
        here.gateway.set_tag(TAG, 41)
        here.gateway.deploy(retype={TAG: DataType.STRING})
        here.gateway.set_tag(TAG, "new")
        first, second = [(await anext(events)).on_buffered_data_change for _ in range(2)]
        assert from_mx_value(proto.MxValue(array_value=first.values))[-1] == 41  # type: ignore[index]
        assert from_mx_value(proto.MxValue(array_value=second.values)) == ["", "new"]


async def test_a_driven_tag_that_is_gone_ticks_no_more() -> None:
    driven = "TestMachine_001.TestChangingInt"
    async with world("") as here, here.subscribed(driven) as consumer:
        here.gateway.deploy(remove=[driven])
        await until(lambda: consumer.values[driven] is None)
        assert consumer.updates[-1].quality == 0
        with pytest.raises(LookupError):
            here.gateway.tag(driven)


@pytest.mark.parametrize(
    "change",
    [
        {"remove": ["Nobody.Level"]},
        {"remove": ["Tank01.Nothing"]},
        {"retype": {"Tank01.Nothing": DataType.STRING}},
        {"rename": {"Tank01.Level": "Tank02.Level"}},
        {"rename": {"TestChildObject.TestInt": "TestChildObject.RefusedInt"}},
    ],
)
async def test_an_impossible_deployment_is_refused_and_changes_nothing(change: dict[str, Any]) -> None:
    async with SimulatedGateway() as gateway, connect(gateway) as client:
        plant = gateway.plant
        with pytest.raises((LookupError, ValueError)):
            gateway.deploy(**change)
        assert gateway.plant is plant
        assert await client.galaxy.test_connection()
