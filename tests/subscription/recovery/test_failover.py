"""A subscription whose gateway is gone is rebuilt at the other one, comes back later, and its account stays exact."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, Final

import pytest

from mxgateway import GapCause, GatewayClient, MxGatewayAuthenticationError, MxGatewaySessionError, Outcome
from mxgateway.simulator import SimulatedGateway, SimulatedKey
from mxgateway.testing.network.fault_proxy import FaultProxy
from mxgateway.transport.connecting import failover
from tests.client.support import until
from tests.peers.http2.raw_peers import RawServer, closes_at_once, http1
from tests.peers.network.certificates import ServerCertificate, self_signed
from tests.subscription.rig import Consumer, consumed, is_connected, options, publish, quiet_plant, tags_of

TAGS: Final = tags_of(5)
KEY: Final = "of-both-gateways"


class Pair:
    """Two gateways, the first one behind a proxy, and a client that knows both."""

    def __init__(self, stack: AsyncExitStack, certificate: ServerCertificate | None) -> None:
        self.stack = stack
        self.certificate = certificate
        self.first, self.second = (self._gateway(certificate), self._gateway(certificate))
        self.proxy: FaultProxy

    def _gateway(self, certificate: ServerCertificate | None) -> SimulatedGateway:
        context = certificate.context() if certificate is not None else None
        return SimulatedGateway(plant=quiet_plant(20), ssl_context=context, api_keys=[SimulatedKey(secret=KEY)])

    async def start(self) -> None:
        await self.stack.enter_async_context(self.first)
        await self.stack.enter_async_context(self.second)
        self.proxy = await self.stack.enter_async_context(FaultProxy(self.first.port))

    @property
    def endpoints(self) -> list[str]:
        return [self.proxy.endpoint, self.second.endpoint]

    def connect(self, endpoints: Any = None, **fields: Any) -> Any:
        quick = {"connect_timeout": 1.0, "keepalive_time": 0.2, "keepalive_timeout": 0.2}
        plaintext = self.certificate is None
        return GatewayClient.connect(
            endpoints or self.endpoints, api_key=self.first.api_key, plaintext=plaintext, **{**quick, **fields}
        )

    async def lead_to(self, port: int) -> None:
        """Let the first endpoint be another server."""
        self.proxy.target_port = port
        self.proxy.reset_all()


@asynccontextmanager
async def pair(certificate: ServerCertificate | None = None) -> AsyncIterator[Pair]:
    async with AsyncExitStack() as stack:
        both = Pair(stack, certificate)
        await both.start()
        yield both


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let sessions be opened without the stagger."""
    monkeypatch.setattr("mxgateway.commands.session.opener.OPEN_INTERVAL", 0.0)


async def kill(both: Pair) -> None:
    await both.first.stop()


async def hang(both: Pair) -> None:
    both.proxy.both.black_hole()


async def refuse(both: Pair) -> None:
    await both.proxy.refuse()
    both.proxy.reset_all()


async def speak_http1(both: Pair) -> None:
    await both.lead_to((await both.stack.enter_async_context(RawServer(http1))).port)


async def forward_to_nothing(both: Pair) -> None:
    await both.lead_to((await both.stack.enter_async_context(RawServer(closes_at_once))).port)


async def change_certificate(both: Pair) -> None:
    stranger = SimulatedGateway(plant=quiet_plant(20), ssl_context=self_signed().context())
    await both.lead_to((await both.stack.enter_async_context(stranger)).port)


async def refuse_the_key(both: Pair) -> None:
    stranger = SimulatedGateway(plant=quiet_plant(20))
    await both.lead_to((await both.stack.enter_async_context(stranger)).port)


FAULTS: Final = [refuse_the_key, kill, hang, refuse, speak_http1, forward_to_nothing, change_certificate]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda each: each.__name__)
async def test_a_subscription_is_rebuilt_at_the_other_gateway(fault: Callable[[Pair], Awaitable[None]]) -> None:
    certificate = self_signed() if fault is change_certificate else None
    async with pair(certificate) as both, both.connect() as client:
        assert client.endpoint == both.proxy.endpoint
        async with consumed(client.subscribe(TAGS, options(stale_after=None))) as consumer:
            await until(lambda: len(consumer.updates) == len(TAGS))
            await fault(both)
            await until(lambda: consumer.outcomes == [Outcome.REBUILT])
            await until(lambda: len(consumer.updates) == 2 * len(TAGS))
            publish(both.second, TAGS, 7)
            await until(lambda: set(consumer.values.values()) == {7} and len(consumer.values) == len(TAGS))
            assert [change.endpoint for change in consumer.changes[-2:]] == both.endpoints
            assert client.endpoint == both.second.endpoint
            told_exactly(consumer, both.second)


def told_exactly(consumer: Consumer, gateway: SimulatedGateway) -> None:
    """Check that nothing is missing without a gap, and that each update was delivered once."""
    [lost] = consumer.gaps
    assert (lost.cause, lost.first_lost, lost.count) == (GapCause.SESSION_LOST, len(TAGS) + 1, None)
    sequences = [update.worker_sequence for update in consumer.updates]
    assert sequences == [*range(1, len(TAGS) + 1), *range(1, 2 * len(TAGS) + 1)]
    stats = consumer.subscription.stats()
    assert (stats.received, stats.delivered, stats.lost, stats.rebuilds) == (3 * len(TAGS), 3 * len(TAGS), 0, 1)


async def test_it_comes_back_to_the_first_one_after_the_failure_has_passed(monkeypatch: pytest.MonkeyPatch) -> None:
    async with pair() as both, both.connect() as client:
        async with consumed(client.subscribe(TAGS, options())) as consumer:
            await until(lambda: len(consumer.updates) == len(TAGS))
            await refuse(both)
            await until(lambda: consumer.outcomes == [Outcome.REBUILT])
            await both.proxy.accept()

            both.second.drop_connections()  # the first one failed a moment ago: the second one is asked first
            await until(lambda: len(consumer.outcomes) == 2 and is_connected(consumer.subscription))
            assert client.endpoint == both.second.endpoint
            assert consumer.outcomes[1] is not Outcome.REBUILT

            monkeypatch.setattr(failover, "AVOIDED_FOR", 0.0)
            both.second.drop_connections()
            await until(lambda: len(consumer.outcomes) == 3 and is_connected(consumer.subscription))
            assert (consumer.outcomes[2], client.endpoint) == (Outcome.REBUILT, both.proxy.endpoint)
            assert consumer.changes[-1].endpoint == both.proxy.endpoint


async def test_an_endpoint_that_failed_a_moment_ago_is_still_the_last_resort() -> None:
    async with pair() as both, both.connect() as client:
        async with consumed(client.subscribe(TAGS, options())) as consumer:
            await until(lambda: len(consumer.updates) == len(TAGS))
            await refuse(both)
            await until(lambda: consumer.outcomes == [Outcome.REBUILT])
            await both.proxy.accept()
            await both.second.stop()
            await until(lambda: consumer.outcomes == [Outcome.REBUILT] * 2)
            assert client.endpoint == both.proxy.endpoint


async def test_a_session_of_the_lost_gateway_is_unknown_at_the_other_one() -> None:
    async with pair() as both, both.connect() as client, client.open_session() as session:
        await session.ping()
        await kill(both)
        with pytest.raises(MxGatewaySessionError, match="NOT_FOUND") as caught:
            while True:
                await session.ping()
                await asyncio.sleep(0.01)
        assert caught.value.endpoint == both.second.endpoint
        async with client.open_session() as other:
            await other.ping()


async def test_a_gateway_that_refuses_the_key_leaves_its_calls_to_the_other_one() -> None:
    async with pair() as both:
        async with SimulatedGateway() as stranger, both.connect([stranger.endpoint, both.second.endpoint]) as client:
            assert client.endpoint == stranger.endpoint
            async with client.open_session() as session:
                await session.ping()
            assert client.endpoint == both.second.endpoint
            assert len(stranger.received) == 1
            await until(lambda: stranger.connections == 0)


async def test_a_key_that_every_gateway_refuses_is_told() -> None:
    async with SimulatedGateway() as one, SimulatedGateway() as other:
        endpoints = [one.endpoint, other.endpoint]
        async with GatewayClient.connect(endpoints, plaintext=True, api_key="mxgw_op_of-nobody") as client:
            for _ in range(2):
                with pytest.raises(MxGatewayAuthenticationError) as caught:
                    await client.open_session()
                assert caught.value.endpoint == other.endpoint
            assert (len(one.received), len(other.received)) == (1, 2)
