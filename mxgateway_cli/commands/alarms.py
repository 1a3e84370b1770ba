"""The alarm commands."""

from __future__ import annotations

from contextlib import aclosing
from typing import Final

import mxgateway
from mxgateway_cli.connecting.shared_options import whole_timeout
from mxgateway_cli.declaring import vocabulary
from mxgateway_cli.declaring.command import Call, gateway_command
from mxgateway_cli.help.parsed import Parsed
from mxgateway_cli.help.sections import option
from mxgateway_cli.output.alarms import AlarmWriter
from mxgateway_cli.recovery.following import follow_alarms
from mxgateway_cli.recovery.outages import Outages
from mxgateway_cli.running.waiting import Deadline
from mxgateway_cli.terminal.exit_codes import FIND_ALARMS, describe


class ReferenceText(Parsed[mxgateway.AlarmReference]):
    """The reference of an alarm: a GUID, or ``Provider!Group.Tag``."""

    name = "reference"

    def _parse(self, text: str) -> mxgateway.AlarmReference:
        return mxgateway.AlarmReference.parse(text)


_FILTER_PREFIX: Final = option(
    "--filter-prefix", metavar="TEXT", default="", may_be_empty=True,
    help="Only alarms whose full reference starts with this, such as Galaxy!Area1.  [default: all]",
)  # fmt: skip


@gateway_command(
    "stream-alarms",
    _FILTER_PREFIX,
    vocabulary.count("messages", "--max-messages", more="Messages of any kind count."),
    vocabulary.duration(),
    examples=(
        "mxgw-py stream-alarms --count 3 --timeout 10",
        "mxgw-py stream-alarms --filter-prefix 'Galaxy!Area1' --count 2 --json",
    ),
    timeout=whole_timeout(),
)
async def stream_alarms(call: Call, filter_prefix: str, count: int | None, duration: float | None) -> None:
    """Show the active alarms, then each transition as it arrives.

    First come the active alarms, a message that they are complete and the provider's status, then transitions. Stops
    after --count, --duration, --timeout (exit code 20 if messages are still missing), or on Ctrl-C. With --json and
    --count up to 10,000 the result is one document, otherwise one JSON object per line. After a lost connection or a
    restart of the gateway, which are records of their own, the feed begins again with the active alarms.
    """
    deadline = Deadline(call.timeout)
    writer = AlarmWriter(call.output, count)
    outages = Outages(call.app, writer.note)
    async with call.client() as client:
        try:
            async with (
                deadline.enforce(lambda: outages.too_few(writer.count, count, "messages", deadline)),
                Deadline(duration).enforce(lambda: None),
            ):
                writer.start()
                await _follow(client, writer, outages, call.correlation_id, filter_prefix)
        finally:
            writer.finish("stream-alarms", filter_prefix, call.correlation_id, "messages")


async def _follow(
    client: mxgateway.GatewayClient, writer: AlarmWriter, outages: Outages, correlation_id: str, prefix: str
) -> None:
    """Show the messages of one feed after another. Each feed begins with the active alarms."""
    try:
        async with aclosing(follow_alarms(client, outages, correlation_id, prefix)) as messages:
            async for message in messages:
                writer.add(message)
                if writer.is_complete:
                    return
    except mxgateway.MxGatewayError as error:
        writer.disconnect(describe(error))
        raise


@gateway_command(
    "query-active-alarms",
    _FILTER_PREFIX,
    examples=(
        "mxgw-py query-active-alarms",
        "mxgw-py query-active-alarms --filter-prefix 'Galaxy!TankYard' --json",
        "mxgw-py query-active-alarms -o value",
    ),
)
async def query_active_alarms(call: Call, filter_prefix: str) -> None:
    """Show the alarms that are active now.

    With --json the result is one document, with -o jsonl one line per alarm; -o value writes the alarms' references.
    """
    writer = AlarmWriter(call.output, ends=True)
    request = mxgateway.proto.QueryActiveAlarmsRequest(
        client_correlation_id=call.correlation_id, alarm_filter_prefix=filter_prefix
    )
    async with call.client() as client, client.query_active_alarms_raw(request) as alarms:
        while batch := await alarms.messages():
            writer.start()
            for alarm in batch:
                writer.add_alarm(alarm)
        writer.start()
    if not writer.count:
        call.output.nothing("No active alarms match." if filter_prefix else "No alarm is active.")
    writer.finish("query-active-alarms", filter_prefix, call.correlation_id, "alarms")


@gateway_command(
    "acknowledge-alarm",
    option("--reference", type=ReferenceText(), metavar="REFERENCE", required=True,
           help="The alarm's full reference, Provider!Group.Tag, or its GUID."),
    option("--comment", metavar="TEXT", default="", may_be_empty=True, help="The operator's comment."),
    option("--operator", metavar="NAME", default="", may_be_empty=True, help="The operator's name."),
    examples=(
        "mxgw-py acknowledge-alarm --reference 'Galaxy!TankYard.Tank02.Lo'",
        "mxgw-py acknowledge-alarm --reference 'Galaxy!TankYard.Tank02.Lo' \\\n  --comment ok --operator me --json",
    ),
)  # fmt: skip
async def acknowledge_alarm(call: Call, reference: mxgateway.AlarmReference, comment: str, operator: str) -> None:
    """Acknowledge an alarm.

    It is sent only once. Exit code 22 means that the alarm provider refused: there is no such alarm, or it is not
    active.
    """
    async with call.client() as client:
        try:
            done = await client.acknowledge_alarm(
                reference, comment=comment, operator=operator, correlation_id=call.correlation_id
            )
        except mxgateway.MxAccessError as error:
            error.hint = error.hint or FIND_ALARMS
            raise
    fields = {
        "reference": str(done.reference),
        "hresult": done.hresult,
        "diagnosticMessage": done.diagnostic,
        "protocolStatus": mxgateway.to_json_dict(done.reply.protocol_status),
    }
    call.report(fields, value="reference")
