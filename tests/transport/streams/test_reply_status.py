"""Trailers, HTTP statuses and resets: each ends the call in the status that gRPC's PROTOCOL-HTTP2 gives it."""

import pytest
from hyperframe.frame import DataFrame, RstStreamFrame

from mxgateway.errors import (
    GrpcStatus,
    MxGatewayAuthenticationError,
    MxGatewayAuthorizationError,
    MxGatewayError,
    MxGatewayProtocolError,
    MxGatewaySessionError,
    MxGatewayTransportError,
    MxGatewayWorkerError,
)
from tests.peers.http2.raw_peers import RESPONSE, Header, Http2Peer, Http2Server, grpc_message
from tests.transport.rig import REPLY, channel_to, event, invoke, sequences, stream
from tests.transport.rows import each_row

pytestmark = pytest.mark.usefixtures("nothing_left_behind")


async def failure(*headers: Header, body: bytes = b"", trailers: tuple[Header, ...] | None = None) -> MxGatewayError:
    """Return the error of a call that is answered like this; the next call on the same connection succeeds."""

    async def script(peer: Http2Peer) -> None:
        stream_id = (await peer.request()).stream_id
        await peer.send(peer.headers(stream_id, headers, end=not body and trailers is None))
        if body:
            await peer.send_data(stream_id, body, end=trailers is None)
        if trailers is not None:
            await peer.send(peer.headers(stream_id, trailers, end=True))
        await peer.serve(REPLY)

    async with Http2Server(script) as server, channel_to(server) as channel:
        with pytest.raises(MxGatewayError) as caught:
            await invoke(channel)
        assert (await invoke(channel)).diagnostic_message == "answered"
        assert server.connections == 1
    assert str(caught.value).isprintable()
    return caught.value


async def test_a_status_in_the_trailers_ends_the_call() -> None:
    error = await failure(
        *RESPONSE, trailers=((b"grpc-status", b"5"), (b"grpc-message", b"Session 'x' was not found."))
    )
    assert isinstance(error, MxGatewaySessionError)
    assert error.grpc_status is GrpcStatus.NOT_FOUND
    assert "Session 'x' was not found." in error.message


async def test_a_status_without_a_response_before_it_ends_the_call() -> None:
    error = await failure(*RESPONSE, (b"grpc-status", b"16"), (b"grpc-message", b"Missing or invalid API key."))
    assert isinstance(error, MxGatewayAuthenticationError)
    assert "Missing or invalid API key." in error.message


async def test_a_failure_after_a_message_is_a_failure() -> None:
    error = await failure(*RESPONSE, body=grpc_message(REPLY), trailers=((b"grpc-status", b"14"),))
    assert isinstance(error, MxGatewayWorkerError)


async def test_a_stream_delivers_what_came_before_its_failure() -> None:
    async def script(peer: Http2Peer) -> None:
        request = await peer.request()
        await peer.reply(request, event(1), event(2), status=8)

    async with Http2Server(script) as server, channel_to(server) as channel:
        seen = []
        with pytest.raises(MxGatewaySessionError) as caught:
            async for each in stream(channel):
                seen.append(each.worker_sequence)
        assert seen == [1, 2]
        assert caught.value.grpc_status is GrpcStatus.RESOURCE_EXHAUSTED


async def test_a_stream_may_end_without_a_message() -> None:
    async def script(peer: Http2Peer) -> None:
        await peer.reply(await peer.request())

    async with Http2Server(script) as server, channel_to(server) as channel:
        assert await sequences(stream(channel)) == []


@each_row(
    ("raw", "text"),
    [
        (b"100% sure: \xfcber-gro\xdf", "100% sure: �ber-gro�"),
        ("Größe".encode(), "Größe"),
        (b"Gr%C3%B6%C3%9Fe", "Größe"),
        (b"bad %zz escape %", "bad %zz escape %"),
        (b"two%0Alines %1B[31m", "two lines [31m"),
    ],
)
async def test_any_bytes_in_a_status_message_are_readable_text(raw: bytes, text: str) -> None:
    error = await failure(*RESPONSE, trailers=((b"grpc-status", b"5"), (b"grpc-message", raw)))
    assert error.message.endswith(text)


@each_row("raw", [b"", b"x", b"-1", b"17", b"99999999999999999999", b"9" * 6000, b"1.0", "٣".encode()])
async def test_a_status_that_is_none_is_unknown(raw: bytes) -> None:
    error = await failure(*RESPONSE, trailers=((b"grpc-status", raw),))
    assert isinstance(error, MxGatewayTransportError)
    assert error.grpc_status is GrpcStatus.UNKNOWN


@each_row(
    ("http_status", "error_class", "grpc_status", "retryable"),
    [
        (b"400", MxGatewayTransportError, GrpcStatus.INTERNAL, False),
        (b"401", MxGatewayAuthenticationError, GrpcStatus.UNAUTHENTICATED, False),
        (b"403", MxGatewayAuthorizationError, GrpcStatus.PERMISSION_DENIED, False),
        (b"404", MxGatewayProtocolError, GrpcStatus.UNIMPLEMENTED, False),
        (b"429", MxGatewayTransportError, GrpcStatus.UNAVAILABLE, True),
        (b"500", MxGatewayTransportError, GrpcStatus.UNKNOWN, False),
        (b"502", MxGatewayTransportError, GrpcStatus.UNAVAILABLE, True),
        (b"503", MxGatewayTransportError, GrpcStatus.UNAVAILABLE, True),
        (b"504", MxGatewayTransportError, GrpcStatus.UNAVAILABLE, True),
        (b"302", MxGatewayTransportError, GrpcStatus.UNKNOWN, False),
    ],
)
async def test_an_http_status_stands_for_a_grpc_status(
    http_status: bytes, error_class: type[MxGatewayError], grpc_status: GrpcStatus, retryable: bool
) -> None:
    error = await failure((b":status", http_status), (b"content-type", b"text/html"), body=b"<html>")
    assert (type(error), error.grpc_status, error.retryable) == (error_class, grpc_status, retryable)
    assert f"HTTP status {http_status.decode()}" in error.message


@pytest.mark.parametrize("page", [b"<html>" * 10, b"x" * 200_000], ids=["small", "large"])
async def test_the_error_page_of_a_proxy_does_not_disturb_the_connection(page: bytes) -> None:
    length = (b"content-length", b"%d" % len(page))
    error = await failure((b":status", b"503"), (b"content-type", b"text/html"), length, body=page)
    assert error.grpc_status is GrpcStatus.UNAVAILABLE


async def test_a_grpc_status_counts_more_than_the_http_status_beside_it() -> None:
    error = await failure((b":status", b"503"), (b"grpc-status", b"7"), (b"grpc-message", b"no"))
    assert error.grpc_status is GrpcStatus.PERMISSION_DENIED


@each_row("content_type", [b"text/html", b"application/json", b"application/grpcx", b"", b"application/grpc-web"])
async def test_a_reply_of_another_content_type_is_refused(content_type: bytes) -> None:
    error = await failure((b":status", b"200"), (b"content-type", content_type), body=b"{}")
    assert isinstance(error, MxGatewayProtocolError)
    assert "content type" in error.message


@pytest.mark.parametrize("content_type", [b"application/grpc+proto", b"application/grpc;charset=utf-8"])
async def test_the_forms_of_grpcs_content_type_are_accepted(content_type: bytes) -> None:
    async def script(peer: Http2Peer) -> None:
        stream_id = (await peer.request()).stream_id
        await peer.send(
            peer.headers(stream_id, [(b":status", b"200"), (b"content-type", content_type)]),
            DataFrame(stream_id, grpc_message(REPLY)),
            peer.trailers(stream_id),
        )

    async with Http2Server(script) as server, channel_to(server) as channel:
        assert (await invoke(channel)).diagnostic_message == "answered"


@each_row(
    ("code", "name", "grpc_status"),
    [
        (0x0, "NO_ERROR", GrpcStatus.INTERNAL),
        (0x1, "PROTOCOL_ERROR", GrpcStatus.INTERNAL),
        (0x2, "INTERNAL_ERROR", GrpcStatus.INTERNAL),
        (0x3, "FLOW_CONTROL_ERROR", GrpcStatus.INTERNAL),
        (0x5, "STREAM_CLOSED", GrpcStatus.INTERNAL),
        (0x6, "FRAME_SIZE_ERROR", GrpcStatus.INTERNAL),
        (0x7, "REFUSED_STREAM", GrpcStatus.UNAVAILABLE),
        (0x8, "CANCEL", GrpcStatus.CANCELLED),
        (0x9, "COMPRESSION_ERROR", GrpcStatus.INTERNAL),
        (0xA, "CONNECT_ERROR", GrpcStatus.INTERNAL),
        (0xB, "ENHANCE_YOUR_CALM", GrpcStatus.RESOURCE_EXHAUSTED),
        (0xC, "INADEQUATE_SECURITY", GrpcStatus.PERMISSION_DENIED),
        (0xD, "HTTP_1_1_REQUIRED", GrpcStatus.INTERNAL),
        (0xDEAD, "0xdead", GrpcStatus.INTERNAL),
    ],
)
async def test_a_reset_stands_for_a_grpc_status(code: int, name: str, grpc_status: GrpcStatus) -> None:
    async def script(peer: Http2Peer) -> None:
        for _ in range(2 if name == "REFUSED_STREAM" else 1):  # which is sent again once
            await peer.send(RstStreamFrame((await peer.request()).stream_id, code))
        await peer.serve(REPLY)

    async with Http2Server(script) as server, channel_to(server) as channel:
        with pytest.raises(MxGatewayError, match=f"reset the stream with {name}") as caught:
            await invoke(channel)
        assert caught.value.grpc_status is grpc_status
        assert caught.value.retryable is (grpc_status in (GrpcStatus.UNAVAILABLE, GrpcStatus.RESOURCE_EXHAUSTED))
        assert ("did not see the request" in str(caught.value)) is (name == "REFUSED_STREAM")
        assert (await invoke(channel)).diagnostic_message == "answered"
        assert server.connections == 1


@each_row(
    ("code", "meaning"),
    [
        (0x7, "did not see the request"),
        (0xB, "the client exceeds its limits"),
        (0xC, "not secure enough"),
        (0xD, "HTTP/1.1, which gRPC cannot use"),
    ],
)
async def test_a_reset_whose_code_says_more_says_it_in_words(code: int, meaning: str) -> None:
    async def script(peer: Http2Peer) -> None:
        while True:
            await peer.send(RstStreamFrame((await peer.request()).stream_id, code))

    async with Http2Server(script) as server, channel_to(server) as channel:
        with pytest.raises(MxGatewayError, match=meaning) as caught:
            await invoke(channel)
        assert "scope" not in str(caught.value)


@pytest.mark.parametrize("when", ["after the headers", "during the data", "after a message"])
async def test_a_reset_at_any_point_ends_the_call(when: str) -> None:
    async def script(peer: Http2Peer) -> None:
        stream_id = (await peer.request()).stream_id
        size = {"after the headers": 0, "during the data": 7, "after a message": None}[when]
        await peer.send(peer.headers(stream_id), DataFrame(stream_id, grpc_message(REPLY)[:size]))
        await peer.send(RstStreamFrame(stream_id, 2))

    async with Http2Server(script) as server, channel_to(server) as channel:
        with pytest.raises(MxGatewayTransportError, match="INTERNAL_ERROR"):
            await invoke(channel)


async def test_a_reset_after_the_whole_reply_does_no_harm() -> None:
    async def script(peer: Http2Peer) -> None:
        request = await peer.request()
        await peer.reply(request, REPLY)
        await peer.send(RstStreamFrame(request.stream_id, 0))
        await peer.serve(REPLY)

    async with Http2Server(script) as server, channel_to(server) as channel:
        for _ in range(3):
            assert (await invoke(channel)).diagnostic_message == "answered"
        assert server.connections == 1
