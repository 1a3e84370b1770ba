"""Which items a command writes, and which of its writes were accepted."""

from __future__ import annotations

from mxgateway import proto
from mxgateway.events.writes.item_writes import Item
from mxgateway.events.writes.write_records import accepted_writes, written_items
from tests.rows import each_row

ITEM, OTHER = Item(1, 2), Item(1, 3)


@each_row("arm", ["write", "write2", "write_secured", "write_secured2"])
def test_every_kind_of_single_write_names_its_item(arm: str) -> None:
    body = {
        "write": proto.WriteCommand,
        "write2": proto.Write2Command,
        "write_secured": proto.WriteSecuredCommand,
        "write_secured2": proto.WriteSecured2Command,
    }[arm](server_handle=1, item_handle=2)
    kind = proto.MxCommandKind.from_string(arm.upper())

    assert written_items(proto.MxCommand(kind=kind, **{arm: body})) == [ITEM]


@each_row("arm", ["write", "write2", "write_secured", "write_secured2"])
def test_every_kind_of_bulk_write_names_its_items_in_order(arm: str) -> None:
    body, entry = {
        "write": (proto.WriteBulkCommand, proto.WriteBulkEntry),
        "write2": (proto.Write2BulkCommand, proto.Write2BulkEntry),
        "write_secured": (proto.WriteSecuredBulkCommand, proto.WriteSecuredBulkEntry),
        "write_secured2": (proto.WriteSecured2BulkCommand, proto.WriteSecured2BulkEntry),
    }[arm]
    entries = [entry(item_handle=handle) for handle in (3, 2, 3)]
    kind = proto.MxCommandKind.from_string(f"{arm}_bulk".upper())
    command = proto.MxCommand(kind=kind, **{f"{arm}_bulk": body(server_handle=1, entries=entries)})

    assert written_items(command) == [OTHER, ITEM, OTHER]


def test_other_commands_write_no_item() -> None:
    advise = proto.AdviseCommand(server_handle=1, item_handle=2)
    assert written_items(proto.MxCommand(kind=proto.MxCommandKind.ADVISE, advise=advise)) == []
    assert written_items(proto.MxCommand()) == []


def bulk_reply(*accepted: bool) -> proto.MxCommandReply:
    results = [proto.BulkWriteResult(was_successful=each) for each in accepted]
    status = proto.ProtocolStatus(code=proto.ProtocolStatusCode.OK)
    return proto.MxCommandReply(protocol_status=status, write_bulk=proto.BulkWriteReply(results=results))


def test_a_bulks_results_tell_which_writes_were_accepted_and_where_they_do_not_all_count_as_accepted() -> None:
    assert accepted_writes(bulk_reply(True, False, True), 3) == [True, False, True]
    assert accepted_writes(bulk_reply(True, False), 3) == [True, True, True]


def test_a_reply_that_refuses_a_command_refuses_each_of_its_writes() -> None:
    refused = proto.MxCommandReply(protocol_status=proto.ProtocolStatus(code=proto.ProtocolStatusCode.MXACCESS_FAILURE))
    assert accepted_writes(refused, 2) == [False, False]
    accepted = proto.MxCommandReply(protocol_status=proto.ProtocolStatus(code=proto.ProtocolStatusCode.OK))
    assert accepted_writes(accepted, 1) == [True]
