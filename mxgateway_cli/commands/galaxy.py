"""The commands for the galaxy as a whole: its database and its deployments."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, cast

import click

import mxgateway
from mxgateway_cli.connecting.shared_options import whole_timeout
from mxgateway_cli.declaring import vocabulary
from mxgateway_cli.declaring.command import Call, gateway_command
from mxgateway_cli.help.sections import option
from mxgateway_cli.output.deploys import DeployWriter, deploy_time
from mxgateway_cli.output.tags import json_time
from mxgateway_cli.terminal.failures import CommandFailure, TimedOut, describe

if TYPE_CHECKING:
    from mxgateway import GatewayClient


@gateway_command(
    "galaxy-test-connection",
    examples=("mxgw-py galaxy-test-connection", "mxgw-py galaxy-test-connection -o value"),
)
async def test_connection(call: Call) -> None:
    """Check that the gateway reaches the galaxy's database.

    Exit code 1 if it does not, although the gateway itself has answered.
    """
    async with call.client() as client:
        ok = await client.galaxy.test_connection(correlation_id=call.correlation_id)
    call.report({"ok": ok}, value="ok")
    if not ok:
        raise CommandFailure(
            "the gateway does not reach the galaxy's database",
            hint="check the gateway's log, and that SQL Server is running there",
        )


@gateway_command(
    "galaxy-last-deploy",
    examples=("mxgw-py galaxy-last-deploy", "mxgw-py galaxy-last-deploy -o value"),
)
async def last_deploy(call: Call) -> None:
    """Show when the galaxy was last deployed.

    The time is RFC 3339 in UTC with full precision; empty if no deployment is known.
    """
    async with call.client() as client:
        moment = await client.galaxy.get_last_deploy_time(correlation_id=call.correlation_id)
    call.report({"present": moment is not None, "timeOfLastDeploy": json_time(moment)}, value="timeOfLastDeploy")


@gateway_command(
    "galaxy-watch",
    vocabulary.count("deployments", more="The current one counts, unless --next leaves it out."),
    option("--next", "wants_next", is_flag=True, help="Leave out the current deployment, and stop after the next one."),
    vocabulary.duration(),
    option("--last-seen-deploy-time", metavar="TIME",
           help="Time of a known deployment: if it is still the current one, it is not shown."),
    examples=(
        "mxgw-py galaxy-watch --count 1",
        "mxgw-py galaxy-watch --count 1 --timeout 60 --json",
        "mxgw-py galaxy-watch --next --duration 0.2",
    ),
    timeout=whole_timeout(),
)  # fmt: skip
async def watch(
    call: Call, count: int | None, wants_next: bool, duration: float | None, last_seen_deploy_time: str | None
) -> None:
    """Show the galaxy's deployments as they happen.

    Starts with the current one. Reconnects when the gateway was unavailable and reports missed deployments as a gap.
    Stops after --count, --duration, --timeout (exit code 20 if deployments are still missing), or on Ctrl-C. With --json
    and --count up to 10,000 the result is one document, otherwise one JSON object per line. With --next it waits for the
    next deployment only.
    """
    from mxgateway_cli.running.waiting import Deadline

    last_seen = _moment(last_seen_deploy_time)
    if wants_next:
        if count not in (None, 1) or last_seen is not None:
            raise click.UsageError(
                "--next waits for one deployment: it takes neither --count nor --last-seen-deploy-time."
            )
        count = 1
    deadline = Deadline(call.timeout)
    writer = DeployWriter(call.output, count)

    def on_timeout() -> Exception | None:
        text = f"{writer.count} of {count} deployments arrived within {deadline.seconds:g} s"
        return TimedOut(text) if count is not None else None

    try:
        async with call.client() as client, deadline.enforce(on_timeout), Deadline(duration).enforce(lambda: None):
            writer.start()
            if wants_next:
                last_seen = await client.galaxy.get_last_deploy_time(correlation_id=call.correlation_id)
            await _follow(call, client, writer, last_seen, only_deployed=wants_next)
    finally:
        writer.finish(correlationId=call.correlation_id)


async def _follow(
    call: Call, client: GatewayClient, writer: DeployWriter, last_seen: datetime | None, *, only_deployed: bool
) -> None:
    async with client.galaxy.watch_deploy_events(last_seen, correlation_id=call.correlation_id) as deployments:
        try:
            async for each in deployments:
                if isinstance(each, mxgateway.DeployGap):
                    writer.gap(each)
                    continue
                if only_deployed and deploy_time(each) is None:
                    continue
                writer.add(each)
                if writer.is_complete:
                    return
        except mxgateway.MxGatewayError as error:
            writer.disconnect(describe(error))
            raise


def _moment(text: str | None) -> datetime | None:
    """Parse the time of a deployment; one that is no time with a zone is refused."""
    if text is None:
        return None
    return cast("datetime", mxgateway.parse_value("time", text, name="--last-seen-deploy-time"))
