"""The diagnosis of one endpoint, step by step."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from typing import Final

import mxgateway
from mxgateway import GatewayClient, proto
from mxgateway_cli.diagnosing.reaching import connection_steps
from mxgateway_cli.diagnosing.rights import Rights, find_rights
from mxgateway_cli.diagnosing.steps import STEPS, Budget, Step, StepName
from mxgateway_cli.terminal.exit_codes import CommandFailure, TimedOut

CALL_SECONDS: Final = 10.0
"""What one call may take."""
RIGHT_SECONDS: Final = 5.0
"""What the calls that find the rights of a key may take; they run at once."""
OPEN_SECONDS: Final = 30.0
"""What opening a session may take: the gateway starts a process for it."""
LOOK_SECONDS: Final = 2.0
"""What is kept of the time to wait for a gateway, to say why it did not come up."""
CLOSE_SECONDS: Final = 2.0
"""What closing the client may take at the end, also after a timeout."""
_FAULTS: Final = (mxgateway.MxGatewayError, CommandFailure)
_DEPLOY: Final = "deploy the galaxy from the System Platform IDE, then run: mxgw-py galaxy-discover"
_GRANT: Final = "have these scopes granted to the key at the gateway, or use another key; mxgw-py config shows where the key is from"


@dataclass(frozen=True, slots=True)
class _Done:
    """What an action did: its result or its error, and how long it took."""

    result: object
    error: Exception | None
    seconds: float


class _OutOfTime(Exception):
    """The step that was just reported had no time left."""


class Diagnosis:
    """Takes the steps to one endpoint and reports each, within the time of the whole command."""

    def __init__(
        self, endpoint: str, options: mxgateway.ClientOptions, budget: Budget, report: Callable[[Step], None]
    ) -> None:
        self._endpoint = endpoint
        self._options = options
        self._budget = budget
        self._report = report
        self._reported: list[StepName] = []
        self._contract = options.contract
        self._call_timeout = options.call_timeout if options.call_timeout is not None else OPEN_SECONDS

    async def run(self) -> None:
        """Take the steps; those that cannot be taken are reported as skipped."""
        try:
            await self._run()
        except _OutOfTime:
            pass
        except TimedOut as error:
            with suppress(_OutOfTime):
                self._add(Step.failed(next(name for name in STEPS if name not in self._reported), None, error))
        for name in STEPS:
            if name not in self._reported:
                self._add(Step.skipped(name, "an earlier step failed"))

    async def _run(self) -> None:
        if not await self._reach():
            return
        await self._compare()
        options = replace(self._bounded(), contract=self._contract)
        done = await _timed(lambda: GatewayClient.connect(self._endpoint, options=options))
        if isinstance(done.result, GatewayClient):
            async with _closing(done.result) as client:
                await self._call(client)
        elif done.error is not None:
            self._add(Step.failed("key", done.seconds, done.error))

    # -- reaching the gateway

    async def _reach(self) -> bool:
        """Connect, and return whether that succeeded."""
        await self._wait()
        options = self._bounded()
        report = await mxgateway.report_connection(self._endpoint, options)
        for step in connection_steps(report, options):
            self._add(step)
        return report.error is None

    async def _wait(self) -> None:
        """Wait for a gateway that is not up yet; the steps then show what is the matter with it."""
        if wait := self._options.wait:
            left = self._budget.left(wait + LOOK_SECONDS)
            seconds = left - min(LOOK_SECONDS, left / 5)
            bounded = self._bounded()
            attempt = min(seconds, bounded.connect_timeout)  # a silent peer does not take the time that is kept
            options = replace(bounded, contract=None, wait=seconds, connect_timeout=attempt)
            done = await _timed(lambda: GatewayClient.connect(self._endpoint, options=options))
            if isinstance(done.result, GatewayClient):
                async with _closing(done.result):
                    pass

    def _bounded(self) -> mxgateway.ClientOptions:
        """Return the options for one connection within the time that is left."""
        seconds = self._budget.left(min(CALL_SECONDS, self._options.connect_timeout))
        return replace(self._options, connect_timeout=seconds, wait=0.0)

    def _left(self, most: float) -> float:
        """Return the seconds that a call may take."""
        return self._budget.left(min(most, self._call_timeout))

    # -- the contract

    async def _compare(self) -> None:
        """Compare the gateway's contract with the one in use, and use it if it is to be used."""
        from mxgateway.contract import Contract, NoReflectionError
        from mxgateway_cli.diagnosing.comparing import compared

        options = replace(self._bounded(), contract=None)
        done = await _timed(lambda: Contract.fetch(self._endpoint, options))
        if isinstance(done.result, Contract):
            self._add(compared(done.result, self._contract, done.seconds))
        elif isinstance(done.error, NoReflectionError):
            text = "the gateway has no reflection, so its contract cannot be compared"
            self._add(Step.skipped("contract", text, needed=False))
        elif isinstance(done.error, mxgateway.MxGatewayAuthenticationError | mxgateway.MxGatewayAuthorizationError):
            self._add(Step.skipped("contract", "the gateway does not show its contract to this key", needed=False))
        else:
            assert done.error is not None
            self._add(Step.failed("contract", done.seconds, done.error))
        if self._contract == "auto":
            self._contract = done.result if isinstance(done.result, Contract) else None

    # -- calls

    async def _call(self, client: GatewayClient) -> None:
        """Find what the key may do, open a session, ping it, ask the galaxy, close the session."""
        began = time.perf_counter()
        rights = await find_rights(client, self._left(RIGHT_SECONDS))
        seconds = time.perf_counter() - began
        if rights.error is not None:
            self._add(Step.failed("key", seconds, rights.error))
            return
        opened, session = await self._open(client)
        rights.note("session", opened.error if isinstance(opened.error, mxgateway.MxGatewayError) else None)
        self._add(self._key(rights, seconds))
        self._report_session(opened)
        if session is not None:
            done = await _timed(lambda: session.ping(timeout=self._left(CALL_SECONDS)))
            self._add_done("ping", done, "the worker answers")
        else:
            self._add(Step.skipped("ping", "there is no session"))
        await self._galaxy(client, rights)
        if session is not None:
            done = await _timed(lambda: session.close(timeout=self._left(CALL_SECONDS)))
            self._add_done("close", done, "the session is closed")
        else:
            self._add(Step.skipped("close", "there is no session"))

    async def _open(self, client: GatewayClient) -> tuple[_Done, mxgateway.Session | None]:
        """Open a session, which the client closes at the latest; None if that failed."""
        request = proto.OpenSessionRequest(client_session_name="mxgw-py doctor", client_correlation_id=uuid.uuid4().hex)
        done = await _timed(lambda: client.open_session_raw(request, timeout=self._left(OPEN_SECONDS)))
        if not isinstance(done.result, proto.OpenSessionReply):
            return done, None
        session = client.attach_session(done.result.session_id)
        session.own()
        return done, session

    def _key(self, rights: Rights, seconds: float) -> Step:
        keyless = self._options.api_key is None
        granted = [right for right, has in rights.granted.items() if has]
        said = "no API key was sent, and the gateway asks for none" if keyless else "authenticated"
        detail = f"{said}; may use {', '.join(granted)}" if granted else said
        if rights.missing:
            detail += f"; lacks {', '.join(rights.missing)}"
        return Step.passed(
            "key", seconds, detail, _GRANT if rights.lacks_needed else "",
            rights=rights.granted, missingScopes=sorted({*rights.scopes.values()}),
        )  # fmt: skip

    def _report_session(self, opened: _Done) -> None:
        """Report the versions, which the gateway reports with a session, and the session."""
        version = mxgateway.__version__
        reply = opened.result
        if not isinstance(reply, proto.OpenSessionReply):
            assert opened.error is not None
            text = f"client {version}; the gateway reports its own with a session"
            self._add(Step.skipped("versions", text, clientVersion=version))
            self._add(Step.failed("session", opened.seconds, opened.error))
            return
        self._add(_versions(reply))
        text = f"opened {reply.session_id}"
        self._add(Step.passed("session", opened.seconds, text, sessionId=reply.session_id))

    async def _galaxy(self, client: GatewayClient, rights: Rights) -> None:
        if rights.granted["galaxy"] is False:
            self._add(Step.skipped("galaxy", "the key may not ask for the galaxy", needed=False))
            return
        done = await _timed(lambda: _last_deployment(client, self._left(CALL_SECONDS)))
        if done.error is not None:
            self._add(Step.failed("galaxy", done.seconds, done.error))
            return
        moment = done.result
        deployed = moment.rfc3339() if isinstance(moment, mxgateway.Timestamp) else None
        text = f"the database answers; {f'last deployed {deployed}' if deployed else 'nothing is deployed'}"
        self._add(Step.passed("galaxy", done.seconds, text, "" if deployed else _DEPLOY, timeOfLastDeploy=deployed))

    # -- reporting

    def _add_done(self, name: StepName, done: _Done, detail: str) -> None:
        if done.error is not None:
            self._add(Step.failed(name, done.seconds, done.error))
        else:
            self._add(Step.passed(name, done.seconds, detail))

    def _add(self, step: Step) -> None:
        self._reported.append(step.name)
        self._report(step)
        if step.is_out_of_time:
            raise _OutOfTime


@asynccontextmanager
async def _closing(client: GatewayClient) -> AsyncIterator[GatewayClient]:
    """Close the client after the block, within `CLOSE_SECONDS`, even if the gateway is silent."""
    try:
        yield client
    finally:
        with suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_SECONDS):
                await client.close()


async def _timed(action: Callable[[], Awaitable[object]]) -> _Done:
    """Return what an action did."""
    began = time.perf_counter()
    try:
        result = await action()
    except _FAULTS as error:
        return _Done(None, error, time.perf_counter() - began)
    return _Done(result, None, time.perf_counter() - began)


async def _last_deployment(client: GatewayClient, seconds: float) -> mxgateway.Timestamp | None:
    if not await client.galaxy.test_connection(timeout=seconds):
        raise CommandFailure(
            "the gateway does not reach the galaxy's database",
            hint="check the gateway's log, and that SQL Server is running there; then run: mxgw-py galaxy-test-connection",
        )
    return await client.galaxy.get_last_deploy_time(timeout=seconds)


def _versions(reply: proto.OpenSessionReply) -> Step:
    ours, theirs = mxgateway.PROTOCOL_VERSION, reply.gateway_protocol_version
    same = ours == theirs
    return Step.passed(
        "versions",
        None,
        f"client {mxgateway.__version__}; protocol {theirs}{'' if same else f' instead of {ours}'}; "
        f"backend {reply.backend_name}, worker protocol {reply.worker_protocol_version}",
        "" if same else "compare the contracts: mxgw-py contract --from-gateway",
        clientVersion=mxgateway.__version__,
        protocolVersion=ours,
        gatewayProtocolVersion=theirs,
        backend=reply.backend_name,
        workerProtocolVersion=reply.worker_protocol_version,
        capabilities=list(reply.capabilities),
    )
