"""The test kit: a simulated gateway for tests of your own, its pytest fixtures, and a proxy with network faults.

pytest finds the fixtures by itself; with plugins switched off, ``-p mxgateway.testing`` loads them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mxgateway.system.lazy_names import lazy_names

if TYPE_CHECKING:
    from mxgateway.testing.clock import TestClock
    from mxgateway.testing.gateway import ThreadedGateway
    from mxgateway.testing.network.fault_proxy import Direction, FaultProxy, Pipe
    from mxgateway.testing.proxy import ThreadedFaultProxy

__all__ = ["Direction", "FaultProxy", "Pipe", "TestClock", "ThreadedFaultProxy", "ThreadedGateway"]

pytest_plugins = ["mxgateway.testing.plugin"]

# Without a __dir__ of its own: pytest looks at every name of a plugin, and would import all of them.
__getattr__, _ = lazy_names(
    __name__,
    {
        ".clock": ["TestClock"],
        ".gateway": ["ThreadedGateway"],
        ".network.fault_proxy": ["Direction", "FaultProxy", "Pipe"],
        ".proxy": ["ThreadedFaultProxy"],
    },
)
