"""Projections decode only a part of a message: one Python function per plan, generated from the schema when it pays.

A projection makes an object from a message's bytes, without the message and its sub-messages. It knows the forms that
real peers produce, and returns None for everything else, invalid or merely unusual. The caller then decodes the whole
message, which gives the value or the error. So a projection never has to diagnose a fault.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from mxgateway.wire.compiling.warming import Warming
from mxgateway.wire.decode.decoder import BUILTIN, MANY_OBJECTS, TO_REFERENCE, Decoder
from mxgateway.wire.schema import DEPTH_LIMIT
from mxgateway.wire.times.codec import STAMP_FORMS, STAMP_MASKS, check_timestamp

from .plans import Choice, Plan, Read

__all__ = ["Choice", "Decoder", "Plan", "Projection", "Read", "choice_reader", "message_reader"]

_NAMES: Final[dict[str, Any]] = {
    "check_timestamp": check_timestamp,
    "irregular": TO_REFERENCE,
    "number_of": int.from_bytes,
    "stamp_forms": STAMP_FORMS,
    "stamp_masks": STAMP_MASKS,
}


class Projection:
    """Reads the fields of a plan from a message's bytes.

    Args:
        message_type: Returns the message type; called when the function is generated.
        plan: Returns the plan for a decoder; called then as well.
        decoder: Decodes by the numbers of a contract.

    Attributes:
        read: Returns the plan's result for a message's bytes; None means: decode the whole message.
    """

    def __init__(
        self, message_type: Callable[[], type[Any]], plan: Callable[[Decoder], Plan], decoder: Decoder = BUILTIN
    ) -> None:
        self._message_type = message_type
        self._plan = plan
        self._decoder = decoder
        self._warming = Warming()
        self.read: Callable[[bytes], Any] = self._read_first

    def _read_first(self, data: bytes) -> Any:
        """Leave the first messages to the full decoder: generating the function takes as long as dozens of them."""
        message_type = self._message_type()
        if self._warming.allows(message_type, len(data)):
            return None
        # Imported here, so that programs that see few messages do not pay for it.
        from .source_text import ProjectionSource

        decoder = self._decoder
        plan = self._plan(decoder)
        schema = decoder.schemas(message_type)
        if not plan.needs.keys() <= schema.by_name.keys():
            self.read = _nothing
            return None
        for name, value in _NAMES.items():
            decoder.linker.named(name, value)
        source = ProjectionSource(schema, plan, decoder.linker)
        self.read = decoder.linker.compile(source.of_projection(MANY_OBJECTS))
        return self.read(data)


def _nothing(_: bytes) -> None:
    return None


def choice_reader(message_type: type[Any], choice: Choice, other: Read, decoder: Decoder = BUILTIN) -> Read:
    """Return a function that reads the set member of a oneof, without the message around it.

    Args:
        message_type: The message.
        choice: The oneof, and the fields before it.
        other: Reads every message that is not as simple as the choice requires.
        decoder: Decodes by the numbers of a contract.
    """
    from .choice_source import ChoiceSource, can_read

    schema = decoder.schemas(message_type)
    if not can_read(choice, schema):
        return other
    return decoder.linker.compile(ChoiceSource(schema, choice, decoder.linker).of_choice(other))


def message_reader(message_type: type[Any], decoder: Decoder = BUILTIN) -> Read:
    """Return a function that reads a message within another one; its errors make a projection return None."""
    functions = decoder.linker.functions

    def read_message(data: bytes, pos: int, stop: int) -> Any:
        return functions[message_type](data, pos, stop, DEPTH_LIMIT - 1)

    return read_message
