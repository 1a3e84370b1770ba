"""A pytest plugin: every test runs once by each of some permuted contracts, which every gateway and client speaks unless told otherwise.

Loaded with ``-p tests.contract.bound_plugin``; the seeds come from MXGATEWAY_TEST_CONTRACT_SEEDS, ``1 2 3``.
"""

from __future__ import annotations

import os
from functools import cache
from typing import Any

import pytest

from mxgateway.contract import Contract
from mxgateway.options import ClientOptions
from mxgateway.simulator import SimulatedGateway
from tests.contract.permuted import permuted

SEEDS = [int(seed) for seed in os.environ["MXGATEWAY_TEST_CONTRACT_SEEDS"].split()]
_make_gateway = SimulatedGateway.__init__
_check_options = ClientOptions.__post_init__
_contract: Contract


def _make_bound_gateway(self: SimulatedGateway, **options: Any) -> None:
    _make_gateway(self, **{"contract": _contract, **options})


def _check_bound_options(self: ClientOptions) -> None:
    if self.contract is None:
        object.__setattr__(self, "contract", _contract)
    _check_options(self)


def pytest_configure() -> None:
    SimulatedGateway.__init__ = _make_bound_gateway  # type: ignore[method-assign]
    ClientOptions.__post_init__ = _check_bound_options  # type: ignore[method-assign]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    metafunc.fixturenames.append("contract_seed")
    metafunc.parametrize("contract_seed", SEEDS, scope="session")


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Function) -> None:
    """Let everything speak the contract of the test's seed; the tests of one seed run together."""
    global _contract
    _contract = bound(item.callspec.params["contract_seed"])


@cache
def bound(seed: int) -> Contract:
    return Contract.load(permuted(seed))
