"""Live tags: the values of the plant's attributes, how they change, and their observers."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from datetime import datetime
from functools import lru_cache
from typing import Any

from mxgateway.generated.mxaccess_gateway import v1 as mx
from mxgateway.simulator.clock import FILETIME_STEP, NANOSECONDS, Clock, nanoseconds, timestamp
from mxgateway.simulator.mxaccess import statuses
from mxgateway.simulator.mxaccess.values import DataType, UnfitValue, no_value, to_message
from mxgateway.simulator.plant.behaviours.derived import Derived
from mxgateway.simulator.plant.behaviours.patterns import Pattern, Reading
from mxgateway.simulator.plant.model import Attribute, PlantObject, reference
from mxgateway.simulator.plant.objects import Plant, Target
from mxgateway.simulator.plant.sources import LiveSource
from mxgateway.simulator.plant.tickers import CATCH_UP, Ticker
from mxgateway.simulator.server.encoding import Encoding
from mxgateway.wire import Timestamp

Listener = Callable[["Sample"], None]


class Sample:
    """A value at a point in time. Its messages are created once, for all users.

    Args:
        data_type: The attribute's type.
        native: The native value; None for no value.
        quality: The OPC DA quality.
        time_ns: The source time in nanoseconds since 1970.
        status: The MXAccess status.
    """

    __slots__ = ("_encoded", "_message", "_timestamp", "data_type", "native", "quality", "status", "time_ns")

    def __init__(
        self,
        data_type: DataType,
        native: Any,
        quality: int,
        time_ns: int,
        status: mx.MxStatusProxy = statuses.OK,
    ) -> None:
        self.data_type = data_type
        self.native = native
        self.quality = quality
        self.time_ns = time_ns
        self.status = status
        self._message: mx.MxValue | None = None
        self._timestamp: Timestamp | None = None
        self._encoded: bytes | None = None

    def encoded(self, encoding: Encoding) -> bytes:
        """Return the sample as encoded in an event: value, quality, source time and status. Encoded once."""
        if self._encoded is None:
            value = encoding.encode(mx.MxEvent(value=self.message, quality=self.quality))
            self._encoded = value + encoding.source_time(self.time_ns) + encoding.status(self.status)
        return self._encoded

    @property
    def message(self) -> mx.MxValue:
        """The value as the contract's message."""
        if self._message is None:
            self._message = no_value() if self.quality < statuses.UNCERTAIN else to_message(self.data_type, self.native)
        return self._message

    @property
    def timestamp(self) -> Timestamp:
        """The source time as in the contract's messages."""
        if self._timestamp is None:
            self._timestamp = timestamp(self.time_ns)
        return self._timestamp

    def element(self, index: int | None) -> Sample:
        """Return the sample of one array element, counted from 1; None returns the sample itself."""
        if index is None:
            return self
        native = self.native[index - 1] if self.native is not None and index <= len(self.native) else None
        quality = statuses.BAD if native is None else self.quality
        return Sample(self.data_type, native, quality, self.time_ns, self.status)


class Tag:
    """The live value of one attribute of one object."""

    __slots__ = (
        "_begun",
        "_listeners",
        "_plant",
        "_sample",
        "_seed",
        "_tick",
        "attribute",
        "is_silent",
        "last_user_id",
        "object",
        "reference",
        "writes",
    )

    def __init__(self, plant: LivePlant, obj: PlantObject, attribute: Attribute) -> None:
        self.object = obj
        self.attribute = attribute
        self.reference = reference(obj, attribute)
        self.last_user_id = 0
        """The user of the last write that recorded one."""
        self.is_silent = False
        """Whether it has no value yet, so that advising it reports nothing; the first value ends that."""
        self.writes = 0
        """How often a client or a test has set its value."""
        self._plant = plant
        self._begun: tuple[Pattern | Derived, Pattern] | None = None
        self._seed = zlib.crc32(f"{plant.plant.seed}:{self.reference}".encode())
        self._listeners: dict[object, Listener] = {}
        self._tick = -1
        self._sample = Sample(attribute.data_type, attribute.initial, attribute.quality, plant.start_ns)

    @property
    def is_driven(self) -> bool:
        """Whether the provider drives the value, so a write is not echoed."""
        return self.attribute.pattern is not None

    def is_of(self, target: Target) -> bool:
        """Return whether the tag can represent another attribute: same name, type, shape and driving."""
        mine, other = self.attribute, target.attribute
        return self.reference == reference(target.object, other) and (
            (mine.data_type, mine.interval, mine.pattern is None, mine.alarms)
            == (other.data_type, other.interval, other.pattern is None, other.alarms)
        )

    @property
    def sample(self) -> Sample:
        """The current value."""
        # An observed tag is driven by its ticker, so that no observer sees a tick before earlier ones.
        if not self._listeners:
            self._catch_up()
        return self._sample

    def observe(self, key: object, listener: Listener) -> None:
        """Call `listener` with every new sample, until `forget` is called with the same key."""
        if self._plant.on_observed is not None:
            self._plant.on_observed()
        self._listen(key, listener)

    def keep_going(self) -> None:
        """Compute every value, observed or not: later ones depend on it."""
        self._listen(self, _nobody)

    def stop_going(self) -> None:
        """Compute values for observers only."""
        self.forget(self)

    def _listen(self, key: object, listener: Listener) -> None:
        if not self._listeners and self.is_driven:
            self._catch_up()
            self._plant.ticker(self.attribute.interval).add(self)
        self._listeners[key] = listener

    def forget(self, key: object) -> None:
        """Stop calling the listener with that key."""
        if self._listeners.pop(key, None) is not None and not self._listeners and self.is_driven:
            self._plant.ticker(self.attribute.interval).remove(self)

    def publish(self, sample: Sample) -> None:
        """Set the value and notify every listener."""
        self.writes += 1
        self._show(sample)

    def settled(self, time_ns: int) -> Sample:
        """Return the sample at a time, which observers get first, in order; the current one if that is newer."""
        if self.is_driven:
            tick = self._plant.tick_at(self.attribute.interval, time_ns)
            # Without observers, none misses the ticks between.
            for each in range(max(self._tick + 1, tick - (CATCH_UP - 1 if self._listeners else 0)), tick + 1):
                self.advance(each)
        return self._sample

    def _show(self, sample: Sample) -> None:
        self._sample, self.is_silent = sample, False
        for listener in list(self._listeners.values()):
            listener(sample)

    def override(self, sample: Sample) -> None:
        """Publish a sample on request; a driven attribute keeps it until its next tick."""
        if self.is_driven:
            self._tick = self._plant.tick(self.attribute.interval)
        self.publish(sample)

    def written(self, native: Any, index: int | None, time_ns: int) -> Sample | None:
        """Return the sample after a client's write; None for a driven attribute, which a write does not change.

        Args:
            native: The native value.
            index: The array element, counted from 1; None for the whole.
            time_ns: The sample's time.

        Raises:
            UnfitValue: The array has no such element.
        """
        if index is not None:
            whole = list(self._sample.native or ())
            if index > len(whole):
                raise UnfitValue(f"The array has {len(whole)} elements, there is no element {index}.")
            whole[index - 1] = native
            native = whole
        return None if self.is_driven else Sample(self.attribute.data_type, native, statuses.GOOD, time_ns)

    def advance(self, tick: int) -> None:
        """Publish the pattern's value of a tick, unless a newer one was published."""
        if tick > self._tick:
            self._show(self._at(tick))

    def _catch_up(self) -> None:
        if self.is_driven and (tick := self._plant.tick(self.attribute.interval)) > self._tick:
            self._sample = self._at(tick)

    def _at(self, tick: int) -> Sample:
        attribute = self.attribute
        time_ns = self._plant.tick_time(attribute.interval, tick)
        self._tick = tick
        native, quality = self._pattern()(tick, self._seed, time_ns), attribute.quality
        if isinstance(native, Reading):
            native, quality = native
        return Sample(attribute.data_type, native, quality, time_ns)

    def _pattern(self) -> Pattern:
        pattern = self.attribute.pattern
        if self._begun is None or self._begun[0] is not pattern:
            assert pattern is not None
            begun = pattern
            if isinstance(begun, Derived):
                sources = [LiveSource(self._plant, self.object.tag_name, name) for name in begun.inputs]
                begun = begun.begin(sources, self.attribute)
            self._begun = (pattern, begun)
        return self._begun[1]


def _nobody(sample: Sample) -> None:
    """Listen for nobody."""


class LivePlant:
    """A plant with a clock: finds tags and drives observed ones.

    Args:
        plant: The plant.
        clock: The time source.
        encoding: How the plant's values are encoded.
    """

    def __init__(self, plant: Plant, clock: Clock, encoding: Encoding | None = None) -> None:
        self.plant = plant
        self.clock = clock
        self.encoding = encoding or Encoding()
        self.start_ns = clock.now_ns() - clock.ahead_ns
        self.on_new_tag: Callable[[Tag], None] | None = None
        """Called with each tag when it is first requested."""
        self.on_observed: Callable[[], None] | None = None
        """Called when somebody observes a tag, before the first value."""
        self._tags: dict[str, Tag] = {}
        self._tickers: dict[float, Ticker] = {}

    def find(self, text: str, context: str = "") -> tuple[Tag, int | None] | None:
        """Return the tag and element of a reference; None for an unknown one."""
        target = self.plant.find(text, context)
        return None if target is None else (self.tag(target), target.element)

    def tag(self, target: Target) -> Tag:
        """Return the live tag of an attribute, always the same object."""
        name = reference(target.object, target.attribute)
        tag = self._tags.get(name)
        if tag is None:
            tag = self._tags[name] = Tag(self, target.object, target.attribute)
            if self.on_new_tag is not None:
                self.on_new_tag(tag)
        return tag

    def deploy(self, plant: Plant) -> None:
        """Switch to another plant: an unchanged tag keeps its value and observers, any other starts anew."""
        self.plant = plant
        kept = {}
        for name, tag in self._tags.items():
            target = plant.find(name)
            if target is not None and tag.is_of(target):
                tag.object, tag.attribute = target.object, target.attribute
                kept[name] = tag
        for tag in self._tags.values():
            if not isinstance(tag.attribute.pattern, Derived) or kept.get(tag.reference) is not tag:
                tag.stop_going()
        self._tags = kept

    def start(self) -> None:
        """Begin with the tags whose values follow from other tags; also after a deployment."""
        for target in self.plant.derived:
            self.tag(target).keep_going()

    def has(self, tag: Tag) -> bool:
        """Whether the plant has this very tag."""
        return self._tags.get(tag.reference) is tag

    def stop(self) -> None:
        """Stop all changes."""
        for ticker in self._tickers.values():
            ticker.stop()

    def ticker(self, interval: float) -> Ticker:
        """Return the ticker of an interval."""
        if interval not in self._tickers:
            self._tickers[interval] = Ticker(self, interval)
        return self._tickers[interval]

    def tick(self, interval: float) -> int:
        """Return the number of an interval's current tick; 0 at the plant's start. A step of the clock skips none."""
        return self.tick_at(interval, self.clock.now_ns())

    def tick_at(self, interval: float, time_ns: int) -> int:
        """Return the number of an interval's tick at a time in nanoseconds since 1970."""
        step = _step_ns(interval)
        return (time_ns - self.clock.ahead_ns) // step - self.start_ns // step

    def tick_time(self, interval: float, tick: int) -> int:
        """Return the time of a tick in nanoseconds since 1970; the first tick is the plant's start."""
        step = _step_ns(interval)
        return ((tick + self.start_ns // step) * step if tick else self.start_ns) + self.clock.ahead_ns


def native_value(value: Any) -> Any:
    """Return a native value in which each datetime is a number of nanoseconds since 1970."""
    if isinstance(value, list | tuple):
        return [native_value(element) for element in value]
    return nanoseconds(value) if isinstance(value, datetime) else value


@lru_cache
def _step_ns(interval: float) -> int:
    return max(round(interval * NANOSECONDS / FILETIME_STEP), 1) * FILETIME_STEP
