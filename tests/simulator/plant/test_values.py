from __future__ import annotations

from typing import Any

from mxgateway.simulator import ManualClock, SimulatedGateway
from tests.rows import each_row
from tests.simulator.peer import CONTRACT, PeerSession, integer, ok

A_TIME = (1_704_067_200, 123_456_700)


async def current(session: PeerSession, reference: str) -> Any:
    await session.drain()
    await session.advise(reference)
    [event] = await session.drain()
    return event


@each_row(
    ("name", "data_type", "variant", "arm", "value"),
    [
        ("TestBool", "BOOLEAN", "VT_BOOL", "bool_value", True),
        ("TestInt", "INTEGER", "VT_I4", "int32_value", 17),
        ("TestWideInt", "INTEGER", "VT_I8", "int64_value", 2**40),
        ("TestFloat", "FLOAT", "VT_R4", "float_value", 1.5),
        ("TestDouble", "DOUBLE", "VT_R8", "double_value", 2.75),
        ("TestString", "STRING", "VT_BSTR", "string_value", "Grüße"),
        ("TestElapsed", "ELAPSED_TIME", "VT_R8", "double_value", 90.5),
        ("TestReference", "REFERENCE_TYPE", "VT_BSTR", "string_value", "TestMachine_001.Speed"),
        ("TestEnum", "ENUM", "VT_I4", "int32_value", 2),
        ("TestInternationalString", "INTERNATIONALIZED_STRING", "VT_BSTR", "string_value", "Größe"),
        ("TestBigString", "BIG_STRING", "VT_BSTR", "string_value", "x" * 4096),
    ],
)
async def test_each_type_has_its_kind(
    session: PeerSession, name: str, data_type: str, variant: str, arm: str, value: object
) -> None:
    message = (await current(session, f"TestChildObject.{name}")).value
    assert message.data_type == CONTRACT.number(f"MX_DATA_TYPE_{data_type}")
    assert message.variant_type == variant
    assert message.WhichOneof("kind") == arm
    assert getattr(message, arm) == value
    assert not message.is_null


async def test_a_time_is_exact_to_100_ns(session: PeerSession) -> None:
    message = (await current(session, "TestChildObject.TestTime")).value
    assert message.variant_type == "VT_DATE"
    assert (message.timestamp_value.seconds, message.timestamp_value.nanos) == A_TIME


async def test_what_has_no_type_is_passed_through_with_its_diagnostic(session: PeerSession) -> None:
    message = (await current(session, "TestChildObject.TestCustom")).value
    assert message.raw_value == b"\x01\x02\x03"
    assert message.variant_type == "VT_RECORD"
    assert message.raw_data_type == 14
    assert message.raw_diagnostic


@each_row(
    ("name", "variant", "arm", "values"),
    [
        ("TestBoolArray", "VT_ARRAY|VT_BOOL", "bool_values", [True, False, True]),
        ("TestIntArray", "VT_ARRAY|VT_I4", "int32_values", [1, 2, 3, 4, 5]),
        ("TestWideIntArray", "VT_ARRAY|VT_I8", "int64_values", [2**40, -(2**40)]),
        ("TestFloatArray", "VT_ARRAY|VT_R4", "float_values", [0.5, 1.5]),
        ("TestDoubleArray", "VT_ARRAY|VT_R8", "double_values", [0.1, 0.2, 0.3]),
        ("TestStringArray", "VT_ARRAY|VT_BSTR", "string_values", ["one", "two", "three"]),
    ],
)
@each_row("suffix", ["", "[]"])
async def test_an_array_is_named_with_or_without_brackets(
    session: PeerSession, name: str, variant: str, arm: str, values: list[Any], suffix: str
) -> None:
    message = (await current(session, f"TestChildObject.{name}{suffix}")).value
    assert message.variant_type == message.array_value.variant_type == variant
    assert message.array_value.element_data_type == message.data_type
    assert list(message.array_value.dimensions) == [len(values)]
    assert list(getattr(message.array_value, arm).values) == values


async def test_an_array_of_times_is_exact(session: PeerSession) -> None:
    array = (await current(session, "TestChildObject.TestTimeArray")).value.array_value
    assert [(time.seconds, time.nanos) for time in array.timestamp_values.values] == [(0, 0), A_TIME]


async def test_an_element_is_named_from_1(session: PeerSession) -> None:
    assert (await current(session, "TestChildObject.TestIntArray[2]")).value.int32_value == 2
    for unknown in ("TestIntArray[0]", "TestIntArray[6]", "TestInt[1]", "TestInt[]"):
        event = await current(session, f"TestChildObject.{unknown}")
        assert event.value.is_null, unknown


async def test_writing_an_element_keeps_the_others(gateway: SimulatedGateway, session: PeerSession) -> None:
    whole = await session.advise("TestChildObject.TestIntArray")
    item = await session.advise("TestChildObject.TestIntArray[2]")
    await session.drain()
    ok(await session.on_server("write", item_handle=item, value=integer(20)))
    await session.invoke("ping")
    _, *changes = await session.drain()
    values = {change.item_handle: change.value for change in changes}
    assert values[item].int32_value == 20
    assert list(values[whole].array_value.int32_values.values) == [1, 20, 3, 4, 5]


async def test_writing_an_array_replaces_it_whole(gateway: SimulatedGateway, session: PeerSession) -> None:
    item = await session.advise("TestChildObject.TestIntArray")
    ok(await session.on_server("write", item_handle=item, value={"array_value": {"int32_values": {"values": [7, 8]}}}))
    await session.invoke("ping")
    assert gateway.tag("TestChildObject.TestIntArray").sample.native == [7, 8]


async def test_quality_says_whether_there_is_a_value(session: PeerSession) -> None:
    event = await current(session, "TestChildObject.UncertainInt")
    assert (event.quality, event.value.int32_value) == (64, 5)
    event = await current(session, "TestChildObject.BadInt")
    assert (event.quality, event.value.is_null, event.value.variant_type) == (0, True, "VT_EMPTY")
    assert event.value.data_type == CONTRACT.number("MX_DATA_TYPE_NO_DATA")
    assert event.value.WhichOneof("kind") is None


async def test_an_unknown_reference_is_told_by_its_first_event(gateway: SimulatedGateway, session: PeerSession) -> None:
    item = await session.add("Nowhere.Nothing")
    assert item > 0
    ok(await session.on_server("advise", item_handle=item))
    [event] = await session.drain()
    assert event.quality == 0
    assert event.value.is_null
    assert event.source_timestamp.ToNanoseconds() == gateway.clock.now_ns()
    [status] = event.statuses
    assert status.category == CONTRACT.number("MX_STATUS_CATEGORY_CONFIGURATION_ERROR")
    assert status.detail == 1003


@each_row(
    ("name", "value", "stored"),
    [
        ("TestBool", {"string_value": "False"}, False),
        ("TestBool", {"int32_value": 2}, True),
        ("TestInt", {"double_value": 2.6}, 3),
        ("TestInt", {"string_value": " 12 "}, 12),
        ("TestInt", {"bool_value": True}, 1),
        ("TestInt", {"int64_value": -5}, -5),
        ("TestWideInt", {"int64_value": 2**62}, 2**62),
        ("TestFloat", {"double_value": 0.1}, 0.10000000149011612),
        ("TestDouble", {"int32_value": 3}, 3.0),
        ("TestDouble", {"string_value": "1e3"}, 1000.0),
        ("TestString", {"int32_value": 5}, "5"),
        ("TestString", {"string_value": ""}, ""),
        ("TestTime", {"timestamp_value": {"seconds": 1, "nanos": 100}}, 1_000_000_100),
        ("TestCustom", {"raw_value": b"xyz"}, b"xyz"),
    ],
)
async def test_a_written_value_is_converted_to_the_attributes_type(
    gateway: SimulatedGateway, session: PeerSession, name: str, value: dict[str, Any], stored: object
) -> None:
    item = await session.advise(f"TestChildObject.{name}")
    ok(await session.on_server("write", item_handle=item, value=value))
    await session.invoke("ping")
    native = gateway.tag(f"TestChildObject.{name}").sample.native
    assert native == stored
    assert type(native) is type(stored)


@each_row(
    ("name", "value"),
    [
        ("TestInt", {"string_value": "twelve"}),
        ("TestInt", {"int64_value": 2**31}),
        ("TestInt", {"double_value": float("nan")}),
        ("TestInt", {"double_value": float("inf")}),
        ("TestInt", {"timestamp_value": {}}),
        ("TestInt", {"raw_value": b"1"}),
        ("TestInt", {"is_null": True}),
        ("TestInt", {}),
        ("TestInt", {"array_value": {"int32_values": {"values": [1]}}}),
        ("TestIntArray", {"int32_value": 1}),
        ("TestIntArray", {"array_value": {"string_values": {"values": ["1", "x"]}}}),
        ("TestFloat", {"double_value": 1e300}),
        ("TestBool", {"string_value": "maybe"}),
        ("TestString", {"raw_value": b"x"}),
        ("TestTime", {"string_value": "today"}),
        ("TestTime", {"timestamp_value": {"seconds": -62_135_596_800}}),
        ("TestCustom", {"string_value": "x"}),
    ],
)
async def test_a_value_that_does_not_fit_fails_on_completion(
    gateway: SimulatedGateway, session: PeerSession, name: str, value: dict[str, Any]
) -> None:
    tag = gateway.tag(f"TestChildObject.{name}")
    before = tag.sample.native
    item = await session.advise(f"TestChildObject.{name}")
    await session.drain()
    ok(await session.on_server("write", item_handle=item, value=value))
    await session.invoke("ping")
    [complete] = await session.drain()
    assert complete.hresult != 0
    assert complete.statuses[0].category == CONTRACT.number("MX_STATUS_CATEGORY_OPERATIONAL_ERROR")
    assert complete.statuses[0].diagnostic_text
    assert tag.sample.native == before


async def test_a_first_value_can_be_late(clock: ManualClock, session: PeerSession) -> None:
    await session.advise("TestChildObject.SlowInt")
    clock.advance(4.9)
    assert await session.drain() == []
    clock.advance(0.1)
    assert [event.value.int32_value for event in await session.drain()] == [7]
