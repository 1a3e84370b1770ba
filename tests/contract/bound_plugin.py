"""A pytest plugin: every simulated gateway and every client of the run speaks a permuted contract unless told otherwise.

Loaded with ``-p tests.contract.bound_plugin``; the seed comes from MXGATEWAY_TEST_CONTRACT_SEED.
"""

from __future__ import annotations

import os
from typing import Any

from mxgateway.contract import Contract
from mxgateway.options import ClientOptions
from mxgateway.simulator import SimulatedGateway
from tests.contract.permuted import permuted

CONTRACT = Contract.load(permuted(int(os.environ["MXGATEWAY_TEST_CONTRACT_SEED"])))
_make_gateway = SimulatedGateway.__init__
_check_options = ClientOptions.__post_init__


def _make_bound_gateway(self: SimulatedGateway, **options: Any) -> None:
    _make_gateway(self, **{"contract": CONTRACT, **options})


def _check_bound_options(self: ClientOptions) -> None:
    if self.contract is None:
        object.__setattr__(self, "contract", CONTRACT)
    _check_options(self)


def pytest_configure() -> None:
    SimulatedGateway.__init__ = _make_bound_gateway  # type: ignore[method-assign]
    ClientOptions.__post_init__ = _check_bound_options  # type: ignore[method-assign]
