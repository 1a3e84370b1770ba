"""Messages of which only a part is wanted: one Python function per plan, written from the schema when it is worth it.

A projection makes an object of a message's bytes, without the message and without its sub-messages. It knows the
shapes that real peers produce, and says None to everything else, be it a fault or merely unusual: the caller decodes
the whole message then, and has the value or the error from there. So a projection never has to be right about what is
wrong.
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
    """A function that reads what a plan says of a message type.

    Args:
        message_type: Returns the type; asked when the function is written.
        plan: Returns what is read, for a decoder; asked then, too.
        decoder: Decodes by the numbers of a contract.

    Attributes:
        read: Returns what the plan makes of a message's bytes, or None: decode the whole message.
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
        """Leave the first messages to the whole decoder: to write the function takes as long as some dozens of them."""
        message_type = self._message_type()
        if self._warming.allows(message_type, len(data)):
            return None
        # Not every program sees many messages, and every one pays for what it imports.
        from .source import ProjectionSource

        decoder = self._decoder
        plan = self._plan(decoder)
        schema = decoder.schemas(message_type)
        if not plan.needs.keys() <= schema.by_name.keys():
            self.read = _nothing
            return None
        for name, value in _NAMES.items():
            decoder.linker.named(name, value)
        source = ProjectionSource(schema, plan, decoder.linker)
        self.read = decoder.linker.compile(source.of_projection("project", MANY_OBJECTS))
        return self.read(data)


def _nothing(_: bytes) -> None:
    return None


def choice_reader(message_type: type[Any], choice: Choice, other: Read, decoder: Decoder = BUILTIN) -> Read:
    """Return a function that reads the one member of a oneof that is set, without the message around it.

    Args:
        message_type: The message.
        choice: The oneof, and what comes before it.
        other: Reads every message that is not as simple as the choice says.
        decoder: Decodes by the numbers of a contract.
    """
    from .choice_source import ChoiceSource, can_read

    schema = decoder.schemas(message_type)
    if not can_read(choice, schema):
        return other
    return decoder.linker.compile(ChoiceSource(schema, choice, decoder.linker).of_choice("read_choice", other))


def message_reader(message_type: type[Any], decoder: Decoder = BUILTIN) -> Read:
    """Return a function that reads a message inside of another one; it may raise what a projection takes for unusual."""
    functions = decoder.linker.functions

    def read_message(data: bytes, pos: int, stop: int) -> Any:
        return functions[message_type](data, pos, stop, DEPTH_LIMIT - 1)

    return read_message
