"""google.protobuf as the judge of the testee: both get the same input, and the testee runs as a process."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, NamedTuple

from google.protobuf import json_format
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.protobuf.message import DecodeError

from tests.conformance.testee import ROOT, TESTED
from tests.wire.compiling import Google
from tests.wire.messages import every_message

PROTOBUF: Final = 1
JSON: Final = 2
_JSON_TEST: Final = 2
_TYPES: Final = {
    getattr(FieldDescriptor, name): name.removeprefix("TYPE_").lower()
    for name in dir(FieldDescriptor)
    if name.startswith("TYPE_")
}

REFUSED: Final = "refused"
NO_JSON: Final = "no JSON"


class Outcome(NamedTuple):
    """What became of an input: a message in both forms, or `REFUSED` twice."""

    binary: bytes | str
    json: str


class Peers:
    """google.protobuf and the testee.

    Args:
        folder: What `suite.compiled` wrote.

    Attributes:
        message: google's class for the suite's message.
    """

    def __init__(self, folder: Path) -> None:
        google = Google(FileDescriptorSet.FromString(folder.joinpath(ROOT, "contract.binpb").read_bytes()))
        self.message = google(TESTED)
        self._request = google("conformance.ConformanceRequest")
        self._response = google("conformance.ConformanceResponse")
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.conformance.testee", str(folder)],
            cwd=Path(__file__).parents[2],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )

    def close(self) -> int:
        """End the testee's input, and return its exit code."""
        self._process.communicate()
        return self._process.returncode

    def ask(self, **fields: Any) -> Any:
        """Return the testee's response to a request."""
        request = self._request(**{"message_type": TESTED, "test_category": _JSON_TEST, **fields}).SerializeToString()
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        stdin.write(len(request).to_bytes(4, "little") + request)
        stdin.flush()
        size = int.from_bytes(stdout.read(4), "little")
        return self._response.FromString(stdout.read(size))

    def of_google(self, given: str | bytes) -> tuple[Outcome, Any]:
        """Return what google makes of a JSON text or of bytes, and its message."""
        try:
            message = self.message()
            message.ParseFromString(given) if isinstance(given, bytes) else json_format.Parse(given, message)
        except (json_format.ParseError, DecodeError):
            return Outcome(REFUSED, REFUSED), None
        try:
            text = _sorted(json_format.MessageToJson(message))
        except (TypeError, ValueError, json_format.Error):  # TypeError for an Any whose type nobody knows
            text = NO_JSON
        return Outcome(message.SerializeToString(deterministic=True), text), message

    def of_testee(self, given: str | bytes, settle: Callable[[Any], None] = lambda message: None) -> Outcome:
        """Return what the testee makes of it; google's class reads the bytes, and `settle` may change the message."""
        payload = {"protobuf_payload" if isinstance(given, bytes) else "json_payload": given}
        response = self.ask(requested_output_format=PROTOBUF, **payload)
        if response.WhichOneof("result") == "parse_error":
            return Outcome(REFUSED, REFUSED)
        assert response.WhichOneof("result") == "protobuf_payload", response
        message = self.message.FromString(response.protobuf_payload)
        if not has_order(message):  # such as packed or not
            assert response.protobuf_payload == message.SerializeToString(deterministic=True), given
        settle(message)
        response = self.ask(requested_output_format=JSON, **payload)
        text = NO_JSON
        if response.WhichOneof("result") != "serialize_error":
            assert response.WhichOneof("result") == "json_payload", response
            text = _sorted(response.json_payload)
        return Outcome(message.SerializeToString(deterministic=True), text)


def kind_of(field: FieldDescriptor) -> str:
    """Return the kind of a field's values: a scalar's, or a message's name; a wrapper has the kind of what it wraps."""
    message = field.message_type
    if message is None:
        return _TYPES[field.type]
    if message.GetOptions().map_entry:
        return kind_of(message.fields_by_name["value"])
    if message.file.name == "google/protobuf/wrappers.proto":
        return kind_of(message.fields_by_name["value"])
    return str(message.name)


def has_order(message: Any) -> bool:
    """Return whether a message has a map of several entries: google.protobuf's C core has its own order of them."""
    return any(
        len(value) > 1
        for each in every_message(message)
        for field, value in each.ListFields()
        if field.message_type is not None and field.message_type.GetOptions().map_entry
    )


def _sorted(text: str) -> str:
    return json.dumps(json.loads(text), sort_keys=True)
