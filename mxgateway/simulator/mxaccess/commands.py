"""The commands on one registration or one item, and those on the worker."""

from __future__ import annotations

from typing import Final

from mxgateway.generated.mxaccess_gateway import v1 as mx
from mxgateway.simulator.alarms.feeds import SessionAlarms
from mxgateway.simulator.mxaccess import bulk_commands, statuses
from mxgateway.simulator.mxaccess.apartment import Outcome
from mxgateway.simulator.mxaccess.items import BufferedItem, Item, MxServer
from mxgateway.simulator.mxaccess.session_parts import SessionRecord
from mxgateway.simulator.mxaccess.statuses import MxAccessFailure
from mxgateway.simulator.mxaccess.worker import MXACCESS_VERSION, WORKER_VERSION, Command, Handler, Worker
from mxgateway.simulator.mxaccess.writes import accept, write_request

# SetBufferedUpdateInterval rounds up to a multiple of this, in milliseconds.
_BUFFERED_STEP_MS: Final = 100


def register(worker: Worker, command: Command) -> Outcome:
    """Return a new server handle."""
    handle = worker.next_handle()
    name = command.payload.client_name
    interval = worker.options.buffered_update_interval
    worker.servers[handle] = MxServer(handle, name, interval, worker.subscriptions, worker.encoding)
    return Outcome("register", mx.RegisterReply(server_handle=handle))


def unregister(worker: Worker, command: Command) -> Outcome:
    """Drop a server handle with all its items."""
    worker.server(command.payload.server_handle).remove_all()
    del worker.servers[command.payload.server_handle]
    return Outcome()


def add_item(worker: Worker, command: Command) -> Outcome:
    """Return a new item handle, also for an unknown reference."""
    item = worker.add_item(command.key, command.payload.server_handle, command.payload.item_definition)
    return Outcome("add_item", mx.AddItemReply(item_handle=item.handle))


def add_item2(worker: Worker, command: Command) -> Outcome:
    """Return a new item handle for a reference relative to a context."""
    payload = command.payload
    item = worker.add_item(command.key, payload.server_handle, payload.item_definition, payload.item_context)
    return Outcome("add_item2", mx.AddItem2Reply(item_handle=item.handle))


def add_buffered_item(worker: Worker, command: Command) -> Outcome:
    """Return a new handle of a buffered item, which subscribes by itself."""
    payload = command.payload
    target = worker.plant.find(payload.item_definition, payload.item_context)
    if target is not None and target[0].attribute.is_array and target[1] is None:
        raise MxAccessFailure("A whole array cannot be buffered.")
    item = worker.add_item(
        command.key, payload.server_handle, payload.item_definition, payload.item_context, kind=BufferedItem
    )
    item.advise()
    return Outcome("add_buffered_item", mx.AddBufferedItemReply(item_handle=item.handle))


def remove_item(worker: Worker, command: Command) -> Outcome:
    """Drop an item handle and end its subscription."""
    worker.server(command.payload.server_handle).remove(command.payload.item_handle)
    return Outcome()


def advise(worker: Worker, command: Command) -> Outcome:
    """Subscribe an item."""
    _item_to_read(worker, command).advise()
    return Outcome()


def advise_supervisory(worker: Worker, command: Command) -> Outcome:
    """Subscribe an item; its plain writes then record their user."""
    _item_to_read(worker, command).advise(supervisory=True)
    return Outcome()


def un_advise(worker: Worker, command: Command) -> Outcome:
    """End an item's subscription."""
    worker.item(command.payload.server_handle, command.payload.item_handle).unadvise()
    return Outcome()


def set_buffered_update_interval(worker: Worker, command: Command) -> Outcome:
    """Set the update interval of a registration's buffered items."""
    server = worker.server(command.payload.server_handle)
    milliseconds = command.payload.update_interval_milliseconds
    if milliseconds < 0:
        raise MxAccessFailure
    server.buffered_update_interval = max(-(-milliseconds // _BUFFERED_STEP_MS), 1) * _BUFFERED_STEP_MS / 1000
    return Outcome()


def suspend(worker: Worker, command: Command) -> Outcome:
    """Pause an item's updates; OperationComplete follows."""
    item = worker.item(command.payload.server_handle, command.payload.item_handle)
    item.suspend()
    _complete_later(worker, item)
    return Outcome("suspend", mx.SuspendReply(status=statuses.PENDING))


def activate(worker: Worker, command: Command) -> Outcome:
    """Resume a suspended item's updates; OperationComplete follows. No effect on an item that is not suspended."""
    item = worker.item(command.payload.server_handle, command.payload.item_handle)
    if not item.is_suspended:
        return Outcome("activate", mx.ActivateReply(status=statuses.OK))
    item.activate()
    _complete_later(worker, item)
    return Outcome("activate", mx.ActivateReply(status=statuses.PENDING))


def authenticate_user(worker: Worker, command: Command) -> Outcome:
    """Return the id of a user for this server handle; 0 for wrong credentials."""
    server = worker.server(command.payload.server_handle)
    payload = command.payload  # not before anything can fail: it holds a password
    for user in worker.options.users:
        if user.name.casefold() == payload.verify_user.casefold() and user.password == payload.verify_user_password:
            return Outcome(
                "authenticate_user", mx.AuthenticateUserReply(user_id=server.admit(user, worker.next_handle))
            )
    return Outcome("authenticate_user", mx.AuthenticateUserReply())


def archestra_user_to_id(worker: Worker, command: Command) -> Outcome:
    """Return the id of a user, by GUID, for this server handle; 0 if unknown."""
    server = worker.server(command.payload.server_handle)
    guid = command.payload.user_id_guid.strip("{}").casefold()
    for user in worker.options.users:
        if user.guid.casefold() == guid:
            return Outcome(
                "archestra_user_to_id", mx.ArchestrAUserToIdReply(user_id=server.admit(user, worker.next_handle))
            )
    return Outcome("archestra_user_to_id", mx.ArchestrAUserToIdReply())


def write(worker: Worker, command: Command) -> Outcome:
    """Accept one write of any of the four kinds."""
    accept(worker, command, write_request(command.payload, command.payload.server_handle))
    return Outcome()


def ping(worker: Worker, command: Command) -> Outcome:
    """Answer, to show that the apartment runs commands."""
    return Outcome()


def get_session_state(session: SessionRecord) -> Outcome:
    """Report the session's state, even if the session takes no other command."""
    return Outcome("session_state", mx.SessionStateReply(state=session.state, fault_message=session.fault_message))


def get_worker_info(worker: Worker) -> Outcome:
    """Report the worker's identity and its backlog."""
    info = mx.WorkerInfoReply(
        worker_process_id=worker.process_id,
        worker_version=WORKER_VERSION,
        mxaccess_version=MXACCESS_VERSION,
        started_at=worker.started_at,
        pending_commands=len(worker.apartment),
        pending_events=len(worker.session.events),
    )
    return Outcome("worker_info", info)


def drain_events(worker: Worker, command: Command) -> Outcome:
    """Return queued events without a stream."""
    events = worker.session.events.drain(command.payload.max_events)
    return Outcome("drain_events", mx.DrainEventsReply(events=events))


def shutdown_worker(worker: Worker, command: Command) -> Outcome:
    """End the worker and thereby the session."""
    outcome = Outcome()
    # Closing the session fails all pending commands.
    worker.apartment.answer(outcome)
    worker.session.close("the worker was shut down")
    return outcome


def subscribe_alarms(worker: Worker, command: Command) -> Outcome:
    """Report alarm transitions as events of the session, for the requested provider and alarms."""
    worker.alarms.subscribe(SessionAlarms.of(worker.session, command.payload))
    return Outcome()


def unsubscribe_alarms(worker: Worker, command: Command) -> Outcome:
    """Stop reporting alarm transitions to the session."""
    worker.alarms.unsubscribe(worker.session)
    return Outcome()


def acknowledge_alarm(worker: Worker, command: Command) -> Outcome:
    """Acknowledge an alarm by its GUID."""
    payload = command.payload
    native = worker.alarms.acknowledge(payload.alarm_guid, payload.comment, payload.operator_user)
    return Outcome("acknowledge_alarm", mx.AcknowledgeAlarmReplyPayload(native_status=native))


def acknowledge_alarm_by_name(worker: Worker, command: Command) -> Outcome:
    """Acknowledge an alarm by provider, group and name."""
    payload = command.payload
    name = f"{payload.provider_name}!{payload.group_name}.{payload.alarm_name}"
    native = worker.alarms.acknowledge(name, payload.comment, payload.operator_user)
    return Outcome("acknowledge_alarm", mx.AcknowledgeAlarmReplyPayload(native_status=native))


def query_active_alarms(worker: Worker, command: Command) -> Outcome:
    """List the active alarms."""
    snapshots = worker.alarms.snapshots(command.payload.alarm_filter_prefix)
    return Outcome("query_active_alarms", mx.QueryActiveAlarmsReplyPayload(snapshots=snapshots))


def _item_to_read(worker: Worker, command: Command) -> Item:
    item = worker.item(command.payload.server_handle, command.payload.item_handle)
    worker.check_read(command.key, item.tag)
    return item


def _complete_later(worker: Worker, item: Item) -> None:
    worker.clock.call_later(worker.options.suspend_time, lambda: worker.operation_complete(item))


HANDLERS: Final[dict[str, Handler]] = {
    "register": register,
    "unregister": unregister,
    "add_item": add_item,
    "add_item2": add_item2,
    "add_buffered_item": add_buffered_item,
    "remove_item": remove_item,
    "advise": advise,
    "advise_supervisory": advise_supervisory,
    "un_advise": un_advise,
    "set_buffered_update_interval": set_buffered_update_interval,
    "suspend": suspend,
    "activate": activate,
    "write": write,
    "write2": write,
    "write_secured": write,
    "write_secured2": write,
    "authenticate_user": authenticate_user,
    "archestra_user_to_id": archestra_user_to_id,
    "ping": ping,
    "drain_events": drain_events,
    "shutdown_worker": shutdown_worker,
    "subscribe_alarms": subscribe_alarms,
    "unsubscribe_alarms": unsubscribe_alarms,
    "acknowledge_alarm": acknowledge_alarm,
    "acknowledge_alarm_by_name": acknowledge_alarm_by_name,
    "query_active_alarms": query_active_alarms,
    **bulk_commands.HANDLERS,
}
"""The handler of each command, by its name in snake case."""

SESSION_STATE: Final = "get_session_state"
WORKER_INFO: Final = "get_worker_info"

KNOWN: Final = frozenset((*HANDLERS, SESSION_STATE, WORKER_INFO))
"""The commands: those with a handler, and those that are answered without the apartment because they report on it."""
