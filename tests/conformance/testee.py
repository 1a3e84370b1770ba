"""The program that protobuf's conformance suite tests: our codec behind the suite's protocol on stdin and stdout.

A request and a response are a length of four bytes, little-endian, and a message. A request holds a message in one form
and asks for another form of it.

Usage: python -m tests.conformance.testee FOLDER, where FOLDER contains what `suite.compiled` writes.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from typing import Any, BinaryIO, Final

from mxgateway import wire

ROOT: Final = "conformance_ours"
"""The package with our classes for the suite's messages."""
TESTED: Final = "protobuf_test_messages.proto3.TestAllTypesProto3"
"""The only message that the suite uses for proto3."""


class Testee:
    """Answers requests, one after another.

    Args:
        protocol: The module of the suite's protocol.
        message_type: The message that requests hold.
    """

    def __init__(self, protocol: Any, message_type: type[Any]) -> None:
        self._protocol = protocol
        self._message_type = message_type

    def serve(self, requests: BinaryIO, responses: BinaryIO) -> None:
        """Answer requests until their end."""
        while length := requests.read(4):
            request = requests.read(int.from_bytes(length, "little"))
            response = bytes(self.answer(wire.decode(self._protocol.ConformanceRequest, request)))
            responses.write(len(response).to_bytes(4, "little") + response)
            responses.flush()

    def answer(self, request: Any) -> Any:
        """Return the response to a request."""
        respond = self._protocol.ConformanceResponse
        if request.message_type == "conformance.FailureSet":  # the known differences are an option of the runner
            return respond(protobuf_payload=b"")
        if reason := self._why_not(request):
            return respond(skipped=reason)
        form = wire.which_one_of(request, "payload")
        try:
            message = self._read(form, getattr(request, form))
        except wire.WireError as error:
            return respond(parse_error=str(error))
        try:
            if request.requested_output_format == self._protocol.WireFormat.JSON:
                return respond(json_payload=wire.to_json(message))
            return respond(protobuf_payload=wire.encode(message))
        except wire.WireError as error:
            return respond(serialize_error=str(error))

    def _why_not(self, request: Any) -> str:
        forms = self._protocol.WireFormat
        if request.message_type != TESTED:
            return "only proto3 is supported"
        if request.test_category == self._protocol.TestCategory.JSON_IGNORE_UNKNOWN_PARSING_TEST:
            return "unknown names in JSON are always refused"
        if wire.which_one_of(request, "payload") not in ("protobuf_payload", "json_payload"):
            return "only the binary form and JSON are supported"
        return "" if request.requested_output_format in (forms.PROTOBUF, forms.JSON) else "no such output"

    def _read(self, form: str, payload: Any) -> Any:
        read: Callable[..., Any] = wire.decode if form == "protobuf_payload" else wire.from_json
        return read(self._message_type, payload)


def main() -> None:
    """Serve the suite's runner."""
    sys.path.append(sys.argv[1])
    protocol = importlib.import_module(f"{ROOT}.conformance")
    messages = importlib.import_module(f"{ROOT}.{TESTED.rpartition('.')[0]}")
    Testee(protocol, messages.TestAllTypesProto3).serve(sys.stdin.buffer, sys.stdout.buffer)


if __name__ == "__main__":
    main()
