"""What the tests of untrusted descriptor sets share."""

from __future__ import annotations

import time

import pytest
from google.protobuf.descriptor_pb2 import FieldDescriptorProto

from mxgateway import MxGatewayContractError, proto
from mxgateway.contract import Contract
from mxgateway.contract.descriptor_set import NAME_LIMIT

FIELD = FieldDescriptorProto
GATEWAY = "mxaccess_gateway.v1"
LONGEST = 5.0
"""Seconds of CPU that no set may take; the worst one here takes a tenth of it."""
MESSAGES = (
    proto.OpenSessionReply(session_id="session-1", capabilities=["a"]),
    proto.MxEvent(
        family=proto.MxEventFamily.ON_DATA_CHANGE, session_id="s", item_handle=3, quality=192, statuses=[proto.MxStatusProxy(success=-1)],
        value=proto.MxValue(data_type=proto.MxDataType.INTEGER, variant_type="VT_I4", int32_value=4),
    ),
    proto.MxCommandRequest(
        session_id="s",
        command=proto.MxCommand(kind=proto.MxCommandKind.WRITE, write=proto.WriteCommand(value=proto.MxValue(double_value=2.5))),
    ),
)  # fmt: skip


def refusal(data: bytes) -> MxGatewayContractError:
    """Return the error for a set that is no contract; it is for one line of a log."""
    begun = time.process_time()
    try:
        _ = Contract.load(data).codec
    except MxGatewayContractError as error:
        assert time.process_time() - begun < LONGEST
        assert str(error).isprintable()
        assert len(str(error)) < 2 * NAME_LIMIT
        return error.with_traceback(None)  # with it, what was read would be kept
    pytest.fail("it is a contract")
