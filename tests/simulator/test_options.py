"""What the gateway allows and how long it waits, unless an option says otherwise."""

from __future__ import annotations

from mxgateway.simulator import SimulatorOptions

OF_THE_GATEWAY = {
    "gateway_protocol_version": 3,
    "worker_protocol_version": 1,
    "capabilities": ("unary-acknowledge-alarm", "server-stream-active-alarms"),
    "session_limit": 64,
    "pending_command_limit": 128,
    "command_timeout": 30,
    "lease": 1800,
    "lease_sweep": 30,
    "detach_grace": 30,
    "worker_start_limit": 30,
    "event_queue_limit": 10_000,
    "replay_limit": 1024,
    "replay_age": 300,
    "message_limit": 16 * 1024 * 1024,
    "header_limit": 32 * 1024,
    "streams_per_connection": 100,
    "connection_window": 1024 * 1024,
    "stream_window": 768 * 1024,
    "idle_connection_timeout": 130,
    "suspend_time": 0.2,
}


def test_the_defaults_are_those_of_the_gateway() -> None:
    options = SimulatorOptions()
    assert {name: getattr(options, name) for name in OF_THE_GATEWAY} == OF_THE_GATEWAY
