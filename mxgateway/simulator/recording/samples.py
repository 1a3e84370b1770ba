"""From a recorded event to the values that a tag had."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, Final

from mxgateway.generated.mxaccess_gateway import v1 as mx
from mxgateway.simulator.clock import nanoseconds
from mxgateway.simulator.mxaccess import statuses
from mxgateway.simulator.mxaccess.values import DataType
from mxgateway.simulator.plant.live_tags import Sample
from mxgateway.simulator.server.encoding import Encoding
from mxgateway.wire import Timestamp, has_field, which_one_of

_BY_TYPE: Final = {(kind.traits.mx_type, kind.traits.arm): kind for kind in reversed(DataType)}
_BY_ARM: Final = {kind.traits.arm: kind for kind in reversed(DataType)}


class RecordedSample(Sample):
    """A sample whose messages are the recorded ones, whatever they say.

    Args:
        value: The recorded value; None if there was none.
        quality: The recorded quality.
        source_time: The recorded source time; None if there was none.
        status_array: The recorded status array.
        encoding: How events are encoded.
    """

    __slots__ = ()

    def __init__(
        self,
        value: mx.MxValue | None,
        quality: int,
        source_time: datetime | None,
        status_array: Sequence[mx.MxStatusProxy],
        encoding: Encoding,
    ) -> None:
        status = status_array[0] if status_array else statuses.OK
        if status == statuses.UNKNOWN_REFERENCE:
            status = statuses.UNKNOWN_REFERENCE  # a read recognizes it by identity
        known = value if value is not None else mx.MxValue()
        time_ns = 0 if source_time is None else nanoseconds(source_time)
        super().__init__(type_of(known) or DataType.INTEGER, native_of(known), quality, time_ns, status)
        self._message = known
        fields = {"value": value, "source_timestamp": source_time}
        said: dict[str, Any] = {name: field for name, field in fields.items() if field is not None}
        self._encoded = encoding.encode(mx.MxEvent(quality=quality, statuses=list(status_array), **said))


def samples_of(event: mx.MxEvent, encoding: Encoding) -> Iterator[Sample]:
    """Yield the samples of a data change, buffered or not; nothing for another event."""
    if event.family == mx.MxEventFamily.ON_DATA_CHANGE:
        value = event.value if has_field(event, "value") else None
        moment = event.source_timestamp if has_field(event, "source_timestamp") else None
        yield RecordedSample(value, event.quality, moment, event.statuses, encoding)
    elif which_one_of(event, "body") == "on_buffered_data_change":
        yield from _buffered(event, event.on_buffered_data_change, encoding)


def _buffered(event: mx.MxEvent, body: mx.OnBufferedDataChangeEvent, encoding: Encoding) -> Iterator[Sample]:
    array = body.values
    name = which_one_of(array, "values")
    elements = getattr(array, name).values if name else []
    for native, quality, moment in zip(elements, body.qualities, body.timestamps, strict=False):
        value = mx.MxValue(
            data_type=array.element_data_type,
            variant_type=array.variant_type.removeprefix("VT_ARRAY|"),
            **{name.removesuffix("s"): native},
        )
        yield RecordedSample(value, quality, moment, event.statuses, encoding)


def type_of(value: mx.MxValue) -> DataType | None:
    """Return the type of a recorded value, of an array that of its elements; None without a value."""
    arm, data_type = which_one_of(value, "kind"), value.data_type
    if arm == "array_value":
        arm = which_one_of(value.array_value, "values").removesuffix("s")
        data_type = value.array_value.element_data_type
    if not arm or value.is_null:
        return None
    return _BY_TYPE.get((data_type, arm)) or _BY_ARM.get(arm)


def native_of(value: mx.MxValue) -> Any:
    """Return the native value of a recorded one; None without a value."""
    arm = which_one_of(value, "kind")
    if not arm or value.is_null:
        return None
    if arm != "array_value":
        return _inward(getattr(value, arm))
    array = value.array_value
    name = which_one_of(array, "values")
    return [_inward(element) for element in getattr(array, name).values] if name else []


def _inward(value: Any) -> Any:
    return value.epoch_nanoseconds if isinstance(value, Timestamp) else value
