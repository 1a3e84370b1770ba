"""A contract bound at run time against the built-in one: the same messages with permuted field numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from typing import Any, Final

from mxgateway import proto, wire
from mxgateway.contract import Contract
from mxgateway.events.data_change import event_decoder
from tests.benchmarks import samples
from tests.benchmarks.harness import Figure, Sample, Settings, Target, clock, compare, per_item, take_turns
from tests.benchmarks.shuffled import shuffled
from tests.benchmarks.worker import Worker

BUILTIN: Final = "the built-in contract"
NO_COST: Final = Target(0.97)
EVENTS: Final = 100

Work = tuple[Callable[[Any], Any], Sequence[Any]]


def figures(settings: Settings, folder: Path) -> Iterator[Figure]:
    """Yield the figures; `folder` is for the contract's file."""
    data = shuffled()
    yield from _codec(settings, Contract.load(data))
    yield _binding(settings)
    file = folder / "shuffled.binpb"
    file.write_bytes(data)
    yield from _stream(settings, file)


def _codec(settings: Settings, bound: Contract) -> Iterator[Figure]:
    events = list(islice(samples.events(), EVENTS))
    page = samples.hierarchy_page(settings.page_objects, settings.page_attributes)
    bulk = samples.write_bulk(proto, settings.write_entries)
    bound_events = [bound.encode(wire.decode(proto.MxEvent, each)) for each in events]
    bound_page = bound.encode(wire.decode(proto.DiscoverHierarchyReply, page))
    if [bound.decode(proto.MxEvent, each) for each in bound_events] != [
        wire.decode(proto.MxEvent, each) for each in events
    ]:
        raise AssertionError("the two contracts do not say the same")
    rows: dict[str, tuple[str, Work, Work]] = {
        "decode": ("decode an event", (wire.BUILTIN.decoder_of(proto.MxEvent), events), (bound.codec.decoder_of(proto.MxEvent), bound_events)),
        "decode-page": (
            f"decode {settings.page_objects} galaxy objects",
            (wire.BUILTIN.decoder_of(proto.DiscoverHierarchyReply), [page]), (bound.codec.decoder_of(proto.DiscoverHierarchyReply), [bound_page]),
        ),
        "encode": (f"encode a WriteBulk of {settings.write_entries:,} entries", (wire.encode, [bulk]), (bound.encode, [bulk])),
        "project": ("read a subscription's update of an event", (event_decoder(wire.BUILTIN), events), (event_decoder(bound.codec), bound_events)),
    }  # fmt: skip
    for name, (title, ours, theirs) in rows.items():
        taken = take_turns(
            {"builtin": per_item(*ours, settings.sample_seconds), "bound": per_item(*theirs, settings.sample_seconds)},
            settings.rounds,
        )
        yield compare(
            f"contract-{name}", f"{title} by a bound contract", taken["bound"], taken["builtin"], other_name=BUILTIN,
            measure="time", unit="µs", scale=1e6, target=NO_COST,
        )  # fmt: skip


def _binding(settings: Settings) -> Figure:
    """Return the time to load a contract that is new to the process, bind it, and compile the main job's types."""
    types = (
        proto.OpenSessionRequest, proto.OpenSessionReply, proto.MxCommandRequest, proto.MxCommandReply, proto.StreamEventsRequest,
        proto.MxEvent, proto.CloseSessionRequest, proto.CloseSessionReply,
    )  # fmt: skip

    def bind(seed: int) -> float:
        data = shuffled(seed)
        start = clock()
        bound = Contract.load(data)
        for each in types:
            bound.codec.decode(each, bound.codec.encode(each()))
        return clock() - start

    taken = sorted(map(bind, range(2, 2 + settings.rounds)))
    milliseconds = taken[len(taken) // 2] * 1e3
    return Figure(
        name="contract-bind", title="load and bind a contract", unit="ms", ours=milliseconds, other=None, other_name="",
        value=milliseconds, target=Target(150, "ms", at_least=False),
    )  # fmt: skip


def _stream(settings: Settings, file: Path) -> Iterator[Figure]:
    """Yield the end-to-end event stream figures: two servers and two clients, one of each per contract."""
    events = settings.stream_events
    cpu: dict[str, list[float]] = {"builtin": [], "bound": []}
    with ExitStack() as stack:
        streams: dict[str, Sample] = {}
        for name, contract in (("builtin", []), ("bound", [file])):
            options = ["--contract", str(file)] if contract else []
            server = stack.enter_context(Worker("servers", "core", "--events", str(events), *options))
            client = stack.enter_context(Worker("client_ours", server.line(), *map(str, contract)))

            def stream(client: Worker = client, kept: list[float] = cpu[name]) -> float:
                outcome = client.ask("stream", events=events)
                kept.append(outcome["cpu"])
                return outcome["rate"]

            streams[name] = stream
        rates = take_turns(streams, settings.rounds)
    yield compare(
        "contract-stream", "event stream by a bound contract", rates["bound"], rates["builtin"], other_name=BUILTIN,
        measure="rate", unit="events/s", target=NO_COST,
    )  # fmt: skip
    kept = {name: taken[-settings.rounds :] for name, taken in cpu.items()}
    yield compare(
        "contract-stream-cpu", "… client's CPU for an event", kept["bound"], kept["builtin"], other_name=BUILTIN,
        measure="time", unit="µs",
    )  # fmt: skip
