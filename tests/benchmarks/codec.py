"""Encoding, decoding, attribute reads and JSON: against plain betterproto and google.protobuf's C implementation."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, Final

from google.protobuf import json_format

from mxgateway import proto, to_json
from mxgateway.wire import decode, encode
from tests.benchmarks import samples
from tests.benchmarks.bindings import StockContract
from tests.benchmarks.harness import Figure, Settings, Target, compare, per_item, take_turns

EVENTS: Final = 100
"""Different events that are decoded, read and printed in rotation."""
STOCK: Final = "betterproto"
UPB: Final = "google.protobuf (C)"

Function = Callable[[Any], Any]


def figures(settings: Settings, stock: StockContract) -> Iterator[Figure]:
    """Yield the figures of the codec."""
    yield from _decode_event(settings, stock)
    yield from _encode_write_bulk(settings, stock)
    yield from _read_attributes(settings, stock)
    yield from _decode_page(settings, stock)


def json_figures(settings: Settings, stock: StockContract) -> Iterator[Figure]:
    """Yield the figures of protobuf JSON."""
    data = list(islice(samples.events(), EVENTS))
    yield from _versus(
        "json-event",
        "JSON of an OnDataChange event",
        {
            "ours": (to_json, [decode(proto.MxEvent, each) for each in data]),
            STOCK: (lambda event: event.to_json(), [stock.gateway.MxEvent().parse(each) for each in data]),
            UPB: (_google_json, [samples.contract.MxEvent.FromString(each) for each in data]),
        },
        settings,
        settings.rounds,
        None,
    )


def _google_json(message: Any) -> str:
    return json_format.MessageToJson(message, indent=None)


def _decode_event(settings: Settings, stock: StockContract) -> Iterator[Figure]:
    data = list(islice(samples.events(), EVENTS))
    stock_type = stock.gateway.MxEvent
    _same(encode(decode(proto.MxEvent, data[0])), data[0])
    contenders: dict[str, tuple[Function, Sequence[Any]]] = {
        "ours": (lambda each: decode(proto.MxEvent, each), data),
        STOCK: (lambda each: stock_type().parse(each), data),
        UPB: (samples.contract.MxEvent.FromString, data),
    }
    yield from _versus(
        "decode-event", "decode an OnDataChange event", contenders, settings, settings.rounds, Target(50)
    )


def _encode_write_bulk(settings: Settings, stock: StockContract) -> Iterator[Figure]:
    ours = samples.write_bulk(proto, settings.write_entries)
    theirs = samples.write_bulk(stock.gateway, settings.write_entries)
    google = samples.contract.MxCommandRequest.FromString(encode(ours))
    _same(encode(ours), bytes(theirs), google.SerializeToString())
    contenders: dict[str, tuple[Function, Sequence[Any]]] = {
        "ours": (encode, [ours]),
        STOCK: (bytes, [theirs]),
        UPB: (lambda message: message.SerializeToString(), [google]),
    }
    title = f"encode a WriteBulk of {settings.write_entries:,} entries"
    yield from _versus("encode-write-bulk", title, contenders, settings, settings.rounds, Target(30))


def _read_attributes(settings: Settings, stock: StockContract) -> Iterator[Figure]:
    data = list(islice(samples.events(), EVENTS))
    contenders: dict[str, tuple[Function, Sequence[Any]]] = {
        "ours": (_read_six, [decode(proto.MxEvent, each) for each in data]),
        STOCK: (_read_six, [stock.gateway.MxEvent().parse(each) for each in data]),
        UPB: (_read_six, [samples.contract.MxEvent.FromString(each) for each in data]),
    }
    title = "read six attributes of a received event"
    yield from _versus("read-attributes", title, contenders, settings, settings.rounds, Target(5))


def _read_six(event: Any) -> None:
    event.family, event.item_handle, event.value, event.quality, event.source_timestamp, event.worker_sequence  # noqa: B018


def _decode_page(settings: Settings, stock: StockContract) -> Iterator[Figure]:
    page = samples.hierarchy_page(settings.page_objects, settings.page_attributes)
    stock_type = stock.galaxy.DiscoverHierarchyReply
    _same(encode(decode(proto.DiscoverHierarchyReply, page)), page)
    contenders: dict[str, tuple[Function, Sequence[Any]]] = {
        "ours": (lambda each: decode(proto.DiscoverHierarchyReply, each), [page]),
        STOCK: (lambda each: stock_type().parse(each), [page]),
        UPB: (samples.contract.DiscoverHierarchyReply.FromString, [page]),
    }
    title = f"decode {settings.page_objects} galaxy objects × {settings.page_attributes} attributes"
    yield from _versus("decode-page", title, contenders, settings, settings.few_rounds, Target(40))


def _versus(
    name: str,
    title: str,
    contenders: Mapping[str, tuple[Function, Sequence[Any]]],
    settings: Settings,
    rounds: int,
    target: Target | None,
) -> Iterator[Figure]:
    """Yield the figure against betterproto, which has the target, and the one against google.protobuf."""
    taken = take_turns(
        {each: per_item(function, items, settings.sample_seconds) for each, (function, items) in contenders.items()},
        rounds,
    )
    for suffix, other, bound in (("", STOCK, target), ("-upb", UPB, None)):
        yield compare(
            name + suffix, title, taken["ours"], taken[other], other_name=other, measure="time", unit="µs", scale=1e6,
            target=bound,
        )  # fmt: skip


def _same(*encodings: bytes) -> None:
    """Fail if the codecs produce different bytes."""
    if len(set(encodings)) != 1:
        raise AssertionError(f"the codecs disagree: {encodings!r}")
