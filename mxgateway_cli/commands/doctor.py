"""The `doctor` command."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import mxgateway
from mxgateway_cli.connecting.connection import log_connecting, simulated_gateway
from mxgateway_cli.connecting.shared_options import Seconds
from mxgateway_cli.declaring.command import Call, gateway_command
from mxgateway_cli.help.sections import option
from mxgateway_cli.terminal.exit_codes import DescribedFailure


@gateway_command(
    "doctor",
    examples=("mxgw-py doctor", "mxgw-py doctor --profile plant --json"),
    timeout=option(
        "--timeout", type=Seconds(), metavar="SECONDS",
        help="Timeout of the whole command.  [default: 10 for each step, 30 for opening a session]",
    ),
)  # fmt: skip
async def doctor(call: Call) -> None:
    """Check each step on the way to a gateway.

    Each step is a line with its time, and says what to do if it fails: resolve, connect, tls, http2, contract, key,
    versions, session, ping, galaxy, close. Nothing is changed at the gateway; the session that is opened is closed
    again. The exit code is 0 if no step has failed, else that of the first failure, as every command would have it. Of
    several endpoints, each is checked.
    """
    from mxgateway_cli.diagnosing.diagnosis import Diagnosis
    from mxgateway_cli.diagnosing.steps import Budget
    from mxgateway_cli.diagnosing.writing import DiagnosisWriter
    from mxgateway_cli.running.waiting import Deadline

    budget, deadline = Budget(call.timeout), Deadline(None)
    async with _gateways(call) as (endpoints, options):
        writer = DiagnosisWriter(call.output, endpoints)
        for endpoint in endpoints:
            writer.begin(endpoint)
            log_connecting(endpoint, options)
            await Diagnosis(endpoint, options, budget, writer.add).run()
    writer.finish(deadline.elapsed_ms)
    if writer.failure is not None:
        raise DescribedFailure(writer.failure)


@asynccontextmanager
async def _gateways(call: Call) -> AsyncIterator[tuple[list[str], mxgateway.ClientOptions]]:
    """Yield the endpoints and how to connect to them; a simulated gateway runs while the block does."""
    settings = call.settings
    options = settings.client_options()
    if not settings.simulator:
        yield [str(each) for each in mxgateway.Endpoint.parse_all(settings.endpoint)], options
        return
    async with simulated_gateway(settings.contract) as gateway:
        yield [gateway.endpoint], replace(options, api_key=mxgateway.ApiKey(gateway.api_key))
