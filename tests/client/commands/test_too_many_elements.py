"""A reply of too many elements is one that is too large: reads are halved, and an event of that kind is a gap that starves nobody."""

from __future__ import annotations

from mxgateway import GapCause, proto
from mxgateway.simulator import Attribute, DataType, Plant, PlantObject, Template
from tests.client.support import commands, until
from tests.events.support import site
from tests.subscription.rig import consumed, is_connected, options, publish

LIMIT = 1000
"""Elements of the largest reply: it holds three of the lists, and not the long one."""
LISTS = [f"Unit.List{number:02}[]" for number in range(12)]
LONG = "Unit.Long[]"


def plant() -> Plant:
    lengths = {**dict.fromkeys(LISTS, 300), LONG: 2000}
    attributes = [
        Attribute(name=tag.partition(".")[2].removesuffix("[]"), data_type=DataType.STRING, value=["x"] * length, is_array=True)
        for tag, length in lengths.items()
    ]  # fmt: skip
    return Plant([PlantObject(1, "Unit", Template("$Unit", attributes=(*attributes, Attribute(name="Count"))))])


async def test_a_read_whose_reply_has_too_many_elements_is_halved_until_it_fits() -> None:
    async with site(plant=plant(), max_decoded_elements=LIMIT) as world:
        values = await world.session.read([*LISTS, LONG])

        assert [value.tag for value in values] == [*LISTS, LONG]
        assert [value.value for value in values[:-1]] == [["x"] * 300] * len(LISTS)
        assert (values[-1].ok, values[-1].value) == (False, None)
        assert "max_decoded_elements" in values[-1].error
        bodies = [request.command for request in commands(world.gateway)]
        reads = [len(body.read_bulk.tag_addresses) for body in bodies if body.kind == proto.MxCommandKind.READ_BULK]
        assert reads[0] == 13
        assert len(reads) > 5


async def test_an_event_of_too_many_elements_is_a_gap_of_one_and_starves_no_other_tag() -> None:
    tags = [LISTS[0], "Unit.Count"]
    async with (
        site(plant=plant(), max_decoded_elements=LIMIT) as world,
        consumed(world.session.subscribe(tags, options())) as consumer,
    ):
        await until(lambda: consumer.values.keys() == set(tags))
        world.gateway.set_tag(LISTS[0], ["y"] * 2000)
        for value in range(1, 4):
            publish(world.gateway, ["Unit.Count"], value)
            await until(lambda: consumer.values["Unit.Count"] == value, patience=10)  # noqa: B023 - called within the iteration
        assert [(gap.count, gap.cause) for gap in consumer.gaps] == [(1, GapCause.UNREADABLE)]
        assert is_connected(consumer.subscription)
        world.gateway.set_tag(LISTS[0], ["small again"])
        await until(lambda: consumer.values[LISTS[0]] == ["small again"], patience=5)
        assert is_connected(consumer.subscription)


async def test_a_large_value_arrives_while_smaller_ones_go_on() -> None:
    tags = [LISTS[0], "Unit.Count"]
    async with (
        site(plant=plant()) as world,
        consumed(world.session.subscribe(tags, options())) as consumer,
    ):
        await until(lambda: consumer.values.keys() == set(tags))
        world.gateway.set_tag(LISTS[0], [str(number) for number in range(50_000)])
        for value in range(1, 4):
            publish(world.gateway, ["Unit.Count"], value)
        await until(lambda: consumer.values["Unit.Count"] == 3, patience=10)
        assert consumer.values[LISTS[0]] == [str(number) for number in range(50_000)]
        assert not consumer.gaps
