from __future__ import annotations

from typing import Any

import grpc
import pytest

from mxgateway.simulator import SimulatedGateway
from tests.rows import each_row
from tests.simulator.peer import CONTRACT, Peer, PeerSession, command, ok


def sparse(element_type: str, length: int, elements: list[tuple[int, dict[str, Any]]]) -> dict[str, Any]:
    return {
        "sparse_array_value": {
            "element_data_type": f"MX_DATA_TYPE_{element_type}",
            "total_length": length,
            "elements": [{"index": index, "value": value} for index, value in elements],
        }
    }


@pytest.mark.parametrize(
    ("name", "value", "stored"),
    [
        ("TestIntArray", sparse("INTEGER", 4, [(1, {"int32_value": 7})]), [0, 7, 0, 0]),
        ("TestBoolArray", sparse("BOOLEAN", 2, [(1, {"bool_value": True})]), [False, True]),
        ("TestDoubleArray", sparse("DOUBLE", 2, [(0, {"double_value": 1.5})]), [1.5, 0.0]),
        ("TestStringArray", sparse("STRING", 3, [(2, {"string_value": "x"})]), ["", "", "x"]),
        ("TestTimeArray", sparse("TIME", 2, [(1, {"timestamp_value": {"nanos": 100}})]), [0, 100]),
        (
            "TestWideIntArray",
            sparse("INTEGER", 3, [(0, {"int32_value": 1}), (2, {"int64_value": 2**40})]),
            [1, 0, 2**40],
        ),
        ("TestIntArray", sparse("INTEGER", 3, []), [0, 0, 0]),
        ("TestIntArray", sparse("INTEGER", 0, []), []),
    ],
)
async def test_slots_that_are_not_listed_are_reset_to_the_default(
    gateway: SimulatedGateway, session: PeerSession, name: str, value: dict[str, Any], stored: list[Any]
) -> None:
    item = await session.advise(f"TestChildObject.{name}")
    ok(await session.on_server("write", item_handle=item, value=value))
    await session.invoke("ping")
    assert gateway.tag(f"TestChildObject.{name}").sample.native == stored


REFUSED = {
    "an index at the length": sparse("INTEGER", 2, [(2, {"int32_value": 1})]),
    "a repeated index": sparse("INTEGER", 2, [(1, {"int32_value": 1}), (1, {"int32_value": 1})]),
    "an array as element": sparse("INTEGER", 2, [(0, {"array_value": {"int32_values": {"values": [1]}}})]),
    "a sparse array as element": sparse("INTEGER", 2, [(0, sparse("INTEGER", 1, []))]),
    "an element without a value": sparse("INTEGER", 2, [(0, {})]),
    "an element of another type": sparse("INTEGER", 2, [(0, {"string_value": "1"})]),
    "no element type": sparse("UNSPECIFIED", 2, []),
    "a length that no array has": sparse("INTEGER", 2**32 - 1, []),
}


@each_row("case", REFUSED)
async def test_a_sparse_array_that_cannot_be_expanded_is_an_invalid_argument(
    peer: Peer, session: PeerSession, case: str
) -> None:
    item = await session.advise("TestChildObject.TestIntArray")
    await session.drain()
    written: dict[str, Any] = {"item_handle": item, "value": REFUSED[case]}
    taken: dict[str, Any] = {"item_handle": item, "value": {"array_value": {"int32_values": {"values": [1]}}}}
    singles = [(arm, written) for arm in ("write", "write2", "write_secured", "write_secured2")]
    for arm, fields in [*singles, *((f"{arm}_bulk", {"entries": [taken, written]}) for arm, _ in singles)]:
        request = command(session.session_id, arm, server_handle=session.server, **fields)
        assert (await peer.fails("Invoke", **request)).code() is grpc.StatusCode.INVALID_ARGUMENT
    await session.invoke("ping")
    assert await session.drain() == []


async def test_a_sparse_array_does_not_fit_a_scalar(session: PeerSession) -> None:
    item = await session.advise("TestChildObject.TestInt")
    await session.drain()
    ok(await session.on_server("write", item_handle=item, value=sparse("INTEGER", 1, [])))
    await session.invoke("ping")
    [complete] = await session.drain()
    assert complete.statuses[0].category == CONTRACT.number("MX_STATUS_CATEGORY_OPERATIONAL_ERROR")
