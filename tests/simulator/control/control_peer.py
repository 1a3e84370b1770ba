"""A control client that is not ours: grpcio's C core, with the messages that protoc makes of the published .proto file."""

from __future__ import annotations

import tempfile
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import grpc

from mxgateway.control import control_proto
from tests.contract.protos import compiled
from tests.peers.protobuf_messages import Contract
from tests.simulator.peer import PATIENCE

SERVICE: Final = "/simulator_control.v1.SimulatorControl/"


@cache
def contract() -> Contract:
    """Return what protoc makes of the .proto file that the package publishes."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "protos").mkdir()
        (Path(folder) / "protos" / "simulator_control.proto").write_text(control_proto(), encoding="utf-8")
        return compiled(Path(folder) / "protos", Path(folder))


class ControlPeer:
    """One channel to a control.

    Args:
        endpoint: host:port of the control.
        key: Its key; None sends none.
    """

    def __init__(self, endpoint: str, key: str | None) -> None:
        self._channel = grpc.aio.insecure_channel(endpoint, options=[("grpc.use_local_subchannel_pool", 1)])
        self._metadata = () if key is None else (("authorization", f"Bearer {key}"),)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        await self._channel.close()

    async def call(self, method: str, **fields: Any) -> Any:
        """Call a unary method; `fields` make the request."""
        rpc = contract().rpcs[method]
        invoke = self._channel.unary_unary(
            rpc.path,
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=rpc.reply.FromString,
        )
        return await invoke(rpc.request(**fields), metadata=self._metadata, timeout=PATIENCE)

    async def do(self, action: str, **arguments: Any) -> None:
        """Do an action."""
        await self.call("Do", action=action, arguments={name: value(each) for name, each in arguments.items()})

    def play(self, text: str, **fields: Any) -> Any:
        """Start to play a scenario."""
        rpc = contract().rpcs["Play"]
        invoke = self._channel.unary_stream(
            rpc.path,
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=rpc.reply.FromString,
        )
        return invoke(rpc.request(text=text, **fields), metadata=self._metadata)

    async def refused(self, method: str, **fields: Any) -> tuple[str, str]:
        """Call a method that must fail, and return the name of its status and its sentence."""
        try:
            if method == "Play":
                async for step in self.play(**fields):
                    raise AssertionError(f"it was played: {step}")
            else:
                await self.call(method, **fields)
        except grpc.aio.AioRpcError as error:
            return error.code().name, error.details() or ""
        raise AssertionError(f"{method} did not fail")


def value(native: Any) -> Any:
    """Return the fields of a value, as a user of the .proto file writes them."""
    if isinstance(native, bool):
        return {"bool_value": native}
    if isinstance(native, int):
        return {"int64_value": native} if native < 2**63 else {"uint64_value": native}
    if isinstance(native, float):
        return {"double_value": native}
    if isinstance(native, list):
        return {"list_value": {"values": [value(each) for each in native]}}
    if isinstance(native, dict):
        return {"table_value": {"values": {name: value(each) for name, each in native.items()}}}
    return {"string_value": native}
