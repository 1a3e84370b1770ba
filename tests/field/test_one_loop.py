"""A client belongs to one loop, one thread and one process; what happens elsewhere is refused, and told as what it is."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from mxgateway import GalaxyRepositoryClient, GatewayClient, proto
from mxgateway.simulator import SimulatedGateway
from tests.client.closing.test_one_loop import can_fork, in_a_child, in_a_thread, quiet
from tests.client.support import TAG, advised
from tests.field.behaviours import Behaviour

BEHAVIOURS = [
    Behaviour(
        "a client in a second asyncio.run() refuses every call, read and close before anything is sent",
        "client/closing/test_one_loop.py::test_a_client_of_an_ended_loop_says_so",
        ("client/closing/test_one_loop.py::test_waking_is_a_public_call_as_well",),
    ),
    Behaviour(
        "every public call and iterator is refused in another thread's loop and in a forked child, and works on at home",
        "client/closing/test_one_loop.py::test_every_public_call_is_refused_elsewhere_and_works_on_at_home",
        ("field/test_one_loop.py::test_every_other_public_object_is_refused_elsewhere",),
    ),
    Behaviour(
        "a forked child writes nothing to its parent's socket, also not what was about to be written",
        "client/closing/test_one_loop.py::test_a_forked_child_that_runs_the_same_loop_writes_nothing",
    ),
    Behaviour(
        "MxGatewayUsageError is a class of its own below MxGatewayError",
        "errors/test_class_tree.py::test_the_tree_is_the_documented_one",
    ),
    Behaviour(
        "a stray RuntimeError is called a defect of the client only if its own code raised it",
        "errors/test_stray_runtime_errors.py::test_a_runtime_error_is_the_clients_defect_only_if_its_own_code_raised_it",
        ("errors/test_stray_runtime_errors.py::test_a_stack_that_is_too_deep_is_the_programs",),
    ),
    Behaviour(
        "a forgotten await on connect or open_session says so",
        "client/closing/test_one_loop.py::test_a_forgotten_await_is_named",
        ("field/test_one_loop.py::test_a_forgotten_await_of_a_galaxy_client_is_named",),
    ),
    Behaviour("the rule is in the docs", "field/test_one_loop.py::test_the_docs_state_the_rule"),
]


async def _entered(opened: Any) -> None:
    async with opened:
        raise AssertionError("it was entered")


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
async def test_every_other_public_object_is_refused_elsewhere() -> None:
    """Also what is made there, and lists of events instead of single ones."""
    async with (
        SimulatedGateway() as gateway,
        GatewayClient.connect(gateway.endpoint, api_key=gateway.api_key, plaintext=True) as client,
        client.open_session() as session,
    ):
        await advised(session)
        async with client.subscribe([TAG]) as running, session.stream_events() as events:
            await anext(running)
            await quiet(gateway)
            before = len(gateway.received)
            objects: dict[str, Callable[[], Coroutine[Any, Any, object]]] = {
                "lists of events": lambda: anext(events.batches()),
                "lists of updates": lambda: anext(running.batches()),
                "states": lambda: anext(running.states()),
                "pages": lambda: anext(client.galaxy.iter_hierarchy().pages()),
                "events, made there": lambda: _entered(session.stream_events()),
                "lists of events, made there": lambda: anext(session.stream_events().batches()),
                "a subscription, made there": lambda: _entered(client.subscribe([TAG])),
                "a board, made there": lambda: _entered(client.alarm_board()),
                "a feed, made there": lambda: _entered(client.stream_alarms()),
                "deployments, made there": lambda: _entered(client.galaxy.watch_deploy_events()),
                "objects, made there": lambda: anext(client.galaxy.iter_hierarchy()),
                "raw events, made there": lambda: _entered(client.stream_events_raw(proto.StreamEventsRequest())),
                "another session": lambda: client.attach_session(session.session_id).ping(),
            }
            for name, use in objects.items():
                assert "belongs to another event loop" in await in_a_thread(use), name
                if can_fork:
                    assert "belongs to another process" in await in_a_child(use), name
            assert len(gateway.received) == before
            gateway.set_tag(TAG, 5)
            assert await anext(events)


async def test_a_forgotten_await_of_a_galaxy_client_is_named() -> None:
    with pytest.raises(AttributeError, match="before it is opened: await that"):
        GalaxyRepositoryClient.connect("127.0.0.1:1").find("*")  # type: ignore[attr-defined]


def test_the_docs_state_the_rule() -> None:
    page = Path(__file__).parents[2].joinpath("docs", "library.md").read_text(encoding="utf-8")
    section = page.partition("### One event loop, one process")[2].partition("\n### ")[0]
    for words in ("asyncio.run()", "run_coroutine_threadsafe", "MxGatewayUsageError", "forked child"):
        assert words in section
