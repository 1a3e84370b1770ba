"""Values: what other libraries hand over, NaN, and numbers of 32 bits."""

from __future__ import annotations

import asyncio
import math
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from mxgateway import (
    AlarmChange,
    ConnectionChange,
    GatewayClient,
    MxGatewayInvalidRequestError,
    Origin,
    RecoveryOptions,
    SubscriptionState,
    TagUpdate,
    proto,
)
from mxgateway.simulator import AlarmLimit, Attribute, DataType, Plant, PlantObject, SimulatedGateway, Template
from mxgateway.values import same_value
from tests.client.support import TAG, advised, until
from tests.field.behaviours import Behaviour

BEHAVIOURS = [
    Behaviour(
        "a datetime whose methods raise, such as pandas' NaT, is refused, in lists as well",
        "values/test_refused_values.py::test_a_datetime_whose_methods_raise_is_refused",
        (
            "field/test_values.py::test_no_public_call_leaks_the_exception_of_a_foreign_time",
            "values/test_refused_values.py::test_a_datetime_whose_methods_raise_is_no_argument",
            "values/test_refused_values.py::test_a_number_whose_conversion_raises_is_refused",
            "wire/times/test_times_as_datetimes.py::test_comparing_with_what_is_no_time_does_not_raise",
        ),
    ),
    Behaviour(
        "a type of another library that has the name of a known one is named with its module",
        "values/test_refused_values.py::test_a_type_that_has_the_name_of_a_known_one_is_named_with_its_module",
    ),
    Behaviour(
        "the hint for a refused time of numpy writes no nanoseconds as seconds",
        "values/test_refused_values.py::test_a_time_of_numpy_is_not_refused_with_a_way_to_write_its_nanoseconds",
        ("values/test_refused_values.py::test_a_number_of_numpy_whose_tolist_is_refused_too_gets_another_hint",),
    ),
    Behaviour(
        "options take numbers of every library, and refuse the rest by name",
        "options/test_foreign_values.py::test_seconds_are_a_number_of_any_library_and_nothing_else",
        (
            "options/test_foreign_values.py::test_what_has_no_truth_value_is_refused_by_every_option",
            "options/test_foreign_values.py::test_the_timeout_of_commands_is_a_number_of_any_library_or_a_timedelta",
            "options/test_foreign_values.py::test_the_texts_of_a_session_are_texts",
        ),
    ),
    Behaviour(
        "NaN is the same as NaN wherever a change is decided",
        "values/test_equality.py::test_nan_is_the_same_as_nan",
        (
            "field/test_values.py::test_an_alarm_with_a_nan_is_not_changed_by_a_reconnect",
            "alarms/test_active_set.py::test_an_alarm_with_a_nan_is_not_changed_by_the_same_snapshot",
            "alarms/test_active_set.py::test_changes_of_a_nan_that_cancel_out_are_none",
            "cli/input/test_wait_conditions.py::test_changes_means_another_value_than_the_first",
            "cli/output/test_watch_table.py::test_a_nan_that_stays_is_no_change",
        ),
    ),
    Behaviour(
        "a 32-bit float is shown and compared as the shortest text of the same float, in every command",
        "cli/output/test_float32.py::test_every_command_shows_and_compares_a_float_as_entered",
        (
            "cli/output/test_float32.py::test_the_value_of_a_message_is_shown_by_its_type",
            "cli/output/test_float32.py::test_the_limits_of_a_range_are_as_precise_as_the_value",
            "values/test_float32.py::test_a_float_is_shown_as_it_was_entered",
            "values/test_float32.py::test_it_is_the_same_float_and_no_shorter_one_is",
            "values/test_float32.py::test_what_has_no_sign_or_no_number_stays",
        ),
    ),
]


class NoTime(datetime):
    """Like pandas' NaT: a datetime by its class, whose methods raise."""

    def utcoffset(self) -> timedelta | None:
        raise ValueError("NoTime does not support utcoffset")


class NumpyDelta:
    """Like numpy's timedelta64 in nanoseconds."""

    dtype = SimpleNamespace(kind="m", char="m")

    def tolist(self) -> int:
        return 5_000_000_000


async def test_no_public_call_leaks_the_exception_of_a_foreign_time() -> None:
    missing: Any = NoTime(2026, 1, 1, tzinfo=UTC)
    foreign: Any = NumpyDelta()
    good = datetime(2026, 1, 1, tzinfo=UTC)
    async with (
        SimulatedGateway() as gateway,
        GatewayClient.connect(gateway.endpoint, api_key=gateway.api_key, plaintext=True) as client,
        client.open_session() as session,
    ):
        item = await advised(session)
        before = len(gateway.received)
        kinds: list[Any] = [missing, foreign, [missing], [good, missing], [foreign]]
        for bad in kinds:
            for call in (
                session.write(*item.pair, bad),
                session.write_confirmed(*item.pair, bad),
                session.write2(*item.pair, bad, good),
                session.write2(*item.pair, 5, bad),
                session.write_secured(*item.pair, bad, current_user_id=1),
                session.write_secured2(*item.pair, bad, good, current_user_id=1),
                session.write_secured2(*item.pair, 5, bad, current_user_id=1),
                session.write_array_elements(*item.pair, proto.MxDataType.TIME, 3, {0: bad}),
                session.write_bulk(item.server, [item.handle], [bad]),
                session.write2_bulk(item.server, [item.handle], [bad], good),
                session.write2_bulk(item.server, [item.handle], [5], bad),
                session.write_secured_bulk(item.server, [item.handle], [bad], current_user_id=1),
                session.write_tags({TAG: bad}),
            ):
                with pytest.raises(MxGatewayInvalidRequestError):
                    await call
            with pytest.raises(MxGatewayInvalidRequestError):
                await anext(client.galaxy.watch_deploy_events(bad))
        sent = {call.method for call in list(gateway.received)[before:] if "write" in repr(call.request)}
        assert sent == set()


def plant_with_a_nan() -> Plant:
    limits = (AlarmLimit(name="Fail", limit=math.nan), AlarmLimit(name="Hi", limit=80.0))
    flow = Attribute(name="Flow", data_type=DataType.DOUBLE, value=1.0, alarms=limits)
    return Plant([PlantObject(1, "Dev1", Template("$Dev", attributes=(flow,)))])


def states_of(told: list[object]) -> list[SubscriptionState]:
    return [each.state for each in told if isinstance(each, ConnectionChange)]


def changed(told: list[object]) -> list[str]:
    """Return the alarms of which a change was told."""
    return [each.alarm.reference for each in told if isinstance(each, AlarmChange)]


async def test_an_alarm_with_a_nan_is_not_changed_by_a_reconnect() -> None:
    quick = RecoveryOptions(initial_backoff=0.01, max_backoff=0.02)
    async with SimulatedGateway(plant=plant_with_a_nan()) as gateway:
        references = [f"Galaxy!.Dev1.{name}" for name in ("Fail", "Hi")]
        for reference in references:
            gateway.alarms.raise_alarm(reference)
        async with (
            GatewayClient.connect(gateway.endpoint, api_key=gateway.api_key, plaintext=True) as client,
            client.alarm_board(recovery=quick) as board,
        ):
            told: list[object] = []

            async def follow() -> None:
                async for change in board:
                    told.append(change)

            following = asyncio.create_task(follow())
            assert set(board.active) == set(references)
            assert same_value(board.active[references[0]].limit, math.nan)
            for _ in range(3):
                told.clear()
                gateway.drop_connections()
                await until(lambda: states_of(told)[-2:] == [SubscriptionState.RECOVERING, SubscriptionState.CONNECTED])
                assert not changed(told)
            gateway.alarms.clear_alarm(references[1])
            await until(lambda: changed(told) == [references[1]])
            following.cancel()
            await asyncio.wait([following])


def test_two_updates_with_the_same_parts_are_equal_and_hash_alike() -> None:
    """A record can be kept in a set or compared in a test of the program, also with a NaN that was read once."""
    nan = math.nan
    one, other = [TagUpdate("a.b", [nan, 1.5], 192, None, 1, Origin.LIVE, ()) for _ in range(2)]
    assert one == other
    assert hash(one) == hash(other)
