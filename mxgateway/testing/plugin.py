"""The pytest plugin of the test kit. It imports nothing of the library until one of its fixtures is used."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING, Any, Final

import pytest

if TYPE_CHECKING:
    from mxgateway.simulator import Plant, SimulatorOptions
    from mxgateway.testing.clock import TestClock
    from mxgateway.testing.gateway import ThreadedGateway
    from mxgateway.testing.proxy import ThreadedFaultProxy

MARKERS: Final = (
    "mx_plant(plant): the plant that mx_gateway serves: a file, relative to the test's own, or a Plant",
    "mx_unchecked: what is left open or unused at the end of the test is no failure",
)
FAILED: Final = pytest.StashKey[bool]()


def pytest_configure(config: pytest.Config) -> None:
    """Declare the markers."""
    for marker in MARKERS:
        config.addinivalue_line("markers", marker)


@pytest.fixture
def mx_plant(request: pytest.FixtureRequest) -> Plant:
    """The plant of `mx_gateway`: that of the marker `mx_plant`, otherwise the small plant. Override it for your own."""
    from mxgateway.testing.checked import plant_of

    return plant_of(request.node)


@pytest.fixture
def mx_options() -> SimulatorOptions:
    """Limits and times of `mx_gateway`. Override it for your own."""
    from mxgateway.simulator import SimulatorOptions

    return SimulatorOptions()


@pytest.fixture
def mx_clock() -> TestClock:
    """One time for `mx_gateway` and the test's event loop, which moves only by ``await mx_clock.advance(seconds)``."""
    from mxgateway.testing.clock import TestClock

    return TestClock()


@pytest.fixture
def mx_gateway(
    request: pytest.FixtureRequest, mx_plant: Plant, mx_options: SimulatorOptions
) -> Iterator[ThreadedGateway]:
    """A simulated gateway for this test, in a thread of its own; at the end, what is left open or unused fails."""
    from mxgateway.testing.checked import check_the_end, gateway_with

    clock = request.getfixturevalue("mx_clock") if "mx_clock" in request.fixturenames else None
    with gateway_with(mx_plant, mx_options, clock) as gateway:
        yield gateway
        if not request.node.stash.get(FAILED, True):
            check_the_end(request.node, gateway)


@pytest.fixture
def mx_proxy(mx_gateway: ThreadedGateway) -> Iterator[ThreadedFaultProxy]:
    """A proxy with network faults in front of `mx_gateway`. With it, `mx_client` connects through it."""
    from mxgateway.testing.proxy import ThreadedFaultProxy

    with ThreadedFaultProxy(mx_gateway.port) as proxy:
        yield proxy


@pytest.fixture
def mx_client(request: pytest.FixtureRequest, mx_gateway: ThreadedGateway) -> Any:
    """A client of `mx_gateway`, connected on the loop of an async test function."""
    from mxgateway.testing.checked import unopened

    return unopened(request, "mx_client", "mx_gateway.connect()")


@pytest.fixture
def mx_session(request: pytest.FixtureRequest, mx_client: Any) -> Any:
    """A session of `mx_client`, opened on the loop of an async test function."""
    from mxgateway.testing.checked import unopened

    return unopened(request, "mx_session", "client.open_session()")


@pytest.fixture
def simulated_gateway(mx_plant: Plant, mx_options: SimulatorOptions) -> Iterator[ThreadedGateway]:
    """The gateway without the checks at the end, under its former name."""
    from mxgateway.testing.checked import gateway_with

    with gateway_with(mx_plant, mx_options, None) as gateway:
        yield gateway


def _uses_the_kit(item: pytest.Item) -> bool:
    return isinstance(item, pytest.Function) and not {"mx_gateway", "mx_clock"}.isdisjoint(item.fixturenames)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """Note whether a test fails; let an async test have its client, its time and its check for tasks."""
    if not isinstance(item, pytest.Function) or not _uses_the_kit(item):
        return (yield)
    from mxgateway.testing.checked import in_the_kit

    item.stash[FAILED] = True
    with in_the_kit(item):
        outcome = yield
    item.stash[FAILED] = False
    return outcome


@pytest.hookimpl
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run an async test of the kit that no other plugin runs."""
    if not (_uses_the_kit(pyfuncitem) and inspect.iscoroutinefunction(pyfuncitem.obj)):
        return None
    arguments = {name: pyfuncitem.funcargs[name] for name in inspect.signature(pyfuncitem.obj).parameters}
    asyncio.run(pyfuncitem.obj(**arguments))
    return True
