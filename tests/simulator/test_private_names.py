"""The names of other projects that the simulator's HTTP/2 relies on, and that these may change without notice."""

from __future__ import annotations

import ast
from pathlib import Path

import grpclib
from grpclib.config import Configuration
from grpclib.protocol import Buffer, Connection, EventsProcessor, H2Protocol, Stream
from h2.connection import H2Connection
from h2.stream import H2StreamStateMachine
from hpack import Decoder
from hpack.table import HeaderTable

import mxgateway.simulator

SOURCES = Path(mxgateway.simulator.__file__).parent


def test_the_names_are_there() -> None:
    assert grpclib.__version__.startswith("0.4.")
    assert "_keepalive_time" in Configuration.__dataclass_fields__
    assert callable(Configuration().__for_server__)
    for owner, names in {
        H2Protocol: ("connection_lost", "pause_writing", "resume_writing"),
        Connection: ("feed", "flush", "is_closing"),
        EventsProcessor: (
            "process",
            "close",
            "process_data_received",
            "process_request_received",
            "process_trailers_received",
        ),
        Stream: ("recv_data", "send_data", "send_headers", "reset_nowait", "closable", "__terminated__"),
        Buffer: ("add", "read", "eof"),
        H2Connection: (
            "receive_data",
            "clear_outbound_data_buffer",
            "close_connection",
            "open_inbound_streams",
            "send_headers",
            "send_data",
            "_prepare_for_sending",
        ),
        H2StreamStateMachine: ("process_input",),
        Decoder: ("decode",),
    }.items():
        assert all(callable(getattr(owner, name)) or isinstance(getattr(owner, name), property) for name in names)
    assert Connection.__init__.__annotations__["connection"] in ("H2Connection", H2Connection)
    assert H2Connection.MAX_CLOSED_STREAMS > 1000
    names_of_h2 = {"local_settings", "decoder", "encoder", "state_machine", "streams", "_data_to_send"}
    assert names_of_h2 <= vars(H2Connection()).keys()
    assert {"resized", "dynamic_entries"} <= vars(HeaderTable()).keys()


def test_only_two_modules_use_private_names_of_others() -> None:
    private: dict[str, set[str]] = {}
    for path in SOURCES.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if (
                isinstance(node, ast.Attribute)
                and node.attr.startswith("_")
                and not node.attr.startswith("__")
                and not (isinstance(node.value, ast.Name) and node.value.id in ("self", "cls"))
            ):
                private.setdefault(path.name, set()).add(node.attr)
    assert private == {"http2.py": {"_connection"}, "messages.py": {"_h2_connection", "_transport"}}
