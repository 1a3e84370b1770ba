"""What the transport takes from grpclib, h2 and hpack: one module imports it, and what is not public is pinned here."""

import ast
import asyncio
import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import mxgateway
from mxgateway.transport.http2 import grpclib_seam as seam
from mxgateway.transport.http2.protocol import NoRequests
from tests.rows import each_row

PACKAGE = Path(mxgateway.__file__).parent
LIBRARIES = {"grpclib", "h2", "hpack", "hyperframe"}
ALLOWED = (
    "transport/http2/grpclib_seam.py",
    "wire/codec.py",
    "simulator/",
    "generated/",
    "control_protocol/generated/",
)


class FakeTransport(asyncio.Transport):
    """Keeps what is written to it."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.closed = False

    def write(self, data: Any) -> None:
        self.written += bytes(data)

    def close(self) -> None:
        self.closed = True


def imports(file: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""


def connection() -> tuple[seam.GrpclibConnection, FakeTransport]:
    transport = FakeTransport()
    h2 = seam.H2Connection(config=seam.H2Configuration(client_side=True, header_encoding=False))
    return seam.GrpclibConnection(h2, transport, config=seam.Configuration().__for_client__()), transport


def test_one_module_of_the_client_imports_grpclib_h2_and_hpack() -> None:
    importing = {
        file.relative_to(PACKAGE).as_posix()
        for file in PACKAGE.rglob("*.py")
        if LIBRARIES & {name.partition(".")[0] for name in imports(file)}
    }
    assert "transport/http2/grpclib_seam.py" in importing
    assert {name for name in importing if not name.startswith(ALLOWED)} == set()


def test_the_seam_exports_what_it_imports_and_nothing_is_left_over() -> None:
    taken = set(seam.__all__)
    assert taken == {name for name in vars(seam) if not name.startswith(("_", "@"))}  # pytest's own begin with @
    users = "".join(
        file.read_text("utf-8") for file in (PACKAGE / "transport").rglob("*.py") if file.name != "grpclib_seam.py"
    )
    assert {name for name in taken if name not in users} == set()


def test_the_version_is_one_that_the_pins_below_were_read_from() -> None:
    major, minor, *_ = seam.GRPCLIB_VERSION.split(".")
    assert (major, minor) == ("0", "4")


@each_row(
    ("function", "parameters"),
    [
        (seam.H2Protocol.__init__, ["self", "handler", "config", "h2_config"]),
        (seam.H2Protocol.connection_made, ["self", "transport"]),
        (seam.H2Protocol.data_received, ["self", "data"]),
        (seam.H2Protocol.connection_lost, ["self", "exc"]),
        (seam.H2Protocol.pause_writing, ["self"]),
        (seam.H2Protocol.resume_writing, ["self"]),
        (seam.GrpclibConnection.__init__, ["self", "connection", "transport", "config"]),
        (seam.GrpclibConnection.feed, ["self", "data"]),
        (seam.GrpclibConnection.flush, ["self"]),
        (seam.GrpclibConnection.close, ["self"]),
        (seam.Configuration.__for_client__, ["self"]),
        (seam.HpackDecoder.__init__, ["self", "max_header_list_size"]),
        (seam.HpackDecoder.decode, ["self", "data", "raw"]),
    ],
)
def test_a_name_that_is_overridden_or_called_has_its_signature(function: Any, parameters: list[str]) -> None:
    assert list(inspect.signature(function).parameters) == parameters


def test_a_protocol_keeps_what_it_was_made_with() -> None:
    handler, config = NoRequests(), seam.Configuration().__for_client__()
    h2_config = seam.H2Configuration(client_side=True)
    protocol = seam.H2Protocol(handler, config, h2_config)
    assert (protocol.handler, protocol.config, protocol.h2_config) == (handler, config, h2_config)


async def test_a_protocol_lets_its_connection_know_when_the_transport_is_full() -> None:
    protocol = seam.H2Protocol(NoRequests(), seam.Configuration().__for_client__(), seam.H2Configuration())
    protocol.connection, _ = connection()
    assert protocol.connection.write_ready.is_set()
    protocol.pause_writing()
    assert not protocol.connection.write_ready.is_set()
    protocol.resume_writing()
    assert protocol.connection.write_ready.is_set()


async def test_a_connection_writes_through_its_transport_and_forgets_it_when_it_closes() -> None:
    made, transport = connection()
    assert made._transport is transport
    made._connection.initiate_connection()
    made.flush()
    assert transport.written.startswith(b"PRI * HTTP/2.0")
    assert made.feed(b"") == []
    made.close()
    assert transport.closed
    assert not hasattr(made, "_transport")


def test_keepalive_of_grpclib_is_off() -> None:
    assert seam.Configuration().__for_client__()._keepalive_time is None


def test_what_grpclib_asks_of_a_handler_is_all_there() -> None:
    assert set(seam.AbstractHandler.__abstractmethods__) == {"accept", "cancel", "close"}
    assert NoRequests().closing is False


def test_an_h2_connection_keeps_settings_and_answers_pings_without_any_stream() -> None:
    h2 = seam.H2Connection(config=seam.H2Configuration(client_side=True))
    codes = seam.SettingCodes
    h2.local_settings = seam.Settings(
        client=True, initial_values={codes.INITIAL_WINDOW_SIZE: 1 << 20, codes.ENABLE_PUSH: 0}
    )
    h2.initiate_connection()
    greeting = h2.data_to_send()
    assert greeting.startswith(b"PRI * HTTP/2.0")
    assert b"\x00\x04\x00\x10\x00\x00" in greeting  # SETTINGS_INITIAL_WINDOW_SIZE
    assert h2.remote_settings.max_concurrent_streams > 2**31
    assert (h2.remote_settings.initial_window_size, h2.max_outbound_frame_size) == (65_535, 16_384)
    settings = b"\0\x03\0\0\0\x07" + b"\0\x04\0\0\0\x64" + b"\0\x05\0\0\x80\0"
    events = h2.receive_data(len(settings).to_bytes(3, "big") + b"\x04\0" + b"\0" * 4 + settings)
    assert any(isinstance(event, seam.RemoteSettingsChanged) for event in events)
    assert h2.remote_settings.max_concurrent_streams == 7
    assert (h2.remote_settings.initial_window_size, h2.max_outbound_frame_size) == (100, 32_768)
    assert h2.data_to_send() == b"\0\0\0\x04\x01\0\0\0\0"  # the acknowledgement
    assert h2.receive_data(b"\0\0\x08\x06\0\0\0\0\0" + b"12345678") != []
    assert h2.data_to_send() == b"\0\0\x08\x06\x01\0\0\0\0" + b"12345678"
    h2.close_connection(seam.ErrorCodes.PROTOCOL_ERROR)
    assert h2.data_to_send() == b"\0\0\x08\x07\0\0\0\0\0" + b"\0\0\0\0" + b"\0\0\0\x01"
    with pytest.raises(seam.H2Error):
        h2.receive_data(b"\0\0\x07\x06\0\0\0\0\0" + b"1234567")


def test_hpacks_static_table_is_that_of_the_rfc() -> None:
    table = seam.HeaderTable.STATIC_TABLE
    assert len(table) == 61
    assert (table[0], table[7], table[22]) == ((b":authority", b""), (b":status", b"200"), (b"authorization", b""))
