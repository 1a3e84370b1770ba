"""Every gRPC status and every protocol status becomes one class: the tables, row by row."""

from mxgateway import proto
from mxgateway.errors import (
    CallSite,
    GrpcStatus,
    MxGatewayCommandError,
    MxGatewayError,
    map_fault,
)
from mxgateway.errors.faults import ProtocolStatusFault, RpcStatus
from tests.errors.places import (
    GALAXY,
    GATEWAY,
    Authentication,
    Authorization,
    Contract,
    Invalid,
    NotFound,
    Protocol,
    Session,
    Timeout,
    Transport,
    Worker,
    assert_tells_where,
)
from tests.rows import each_row

Outcome = tuple[type[MxGatewayError], bool]
"""The class, and whether another try may succeed."""

STATUSES: dict[str, tuple[Outcome, Outcome, Outcome]] = {
    # status: from the gateway's service, from the galaxy's, synthesised from HTTP
    "OK": ((Transport, False), (Transport, False), (Transport, False)),
    "CANCELLED": ((Transport, False), (Transport, False), (Transport, False)),
    "UNKNOWN": ((Transport, False), (Transport, False), (Transport, False)),
    "INVALID_ARGUMENT": ((Invalid, False), (Invalid, False), (Invalid, False)),
    "DEADLINE_EXCEEDED": ((Timeout, False), (Timeout, False), (Timeout, False)),
    "NOT_FOUND": ((Session, False), (NotFound, False), (Transport, False)),
    "ALREADY_EXISTS": ((Session, False), (Transport, False), (Transport, False)),
    "PERMISSION_DENIED": ((Authorization, False), (Authorization, False), (Authorization, False)),
    "RESOURCE_EXHAUSTED": ((Session, True), (Transport, True), (Transport, True)),
    "FAILED_PRECONDITION": ((Session, False), (Transport, False), (Transport, False)),
    "ABORTED": ((Transport, True), (Transport, True), (Transport, True)),
    "OUT_OF_RANGE": ((Invalid, False), (Invalid, False), (Invalid, False)),
    "UNIMPLEMENTED": ((Contract, False), (Contract, False), (Protocol, False)),
    "INTERNAL": ((Transport, False), (Transport, False), (Transport, False)),
    "UNAVAILABLE": ((Worker, True), (Transport, True), (Transport, True)),
    "DATA_LOSS": ((Transport, False), (Transport, False), (Transport, False)),
    "UNAUTHENTICATED": ((Authentication, False), (Authentication, False), (Authentication, False)),
}


def test_the_table_has_a_row_for_every_grpc_status() -> None:
    assert list(STATUSES) == [status.name for status in GrpcStatus]


@each_row("name", STATUSES)
@each_row(("column", "site"), [(0, GATEWAY), (1, GALAXY), (2, GATEWAY)])
def test_a_grpc_status_becomes_its_class(name: str, column: int, site: CallSite) -> None:
    fault = RpcStatus(GrpcStatus[name], "what the peer said", synthesised=column == 2)
    error = map_fault(fault, site)
    assert (type(error), error.retryable) == STATUSES[name][column]
    assert (error.grpc_status, error.phase) == (GrpcStatus[name], "stream")
    assert error.__cause__ is fault
    assert_tells_where(error, site)
    assert f"{name} from gw.plant:5001 during {site.method}" in error.message
    assert "what the peer said" in error.message
    assert error.hint


PROTOCOL_STATUSES: dict[str, tuple[type[MxGatewayError], GrpcStatus | None, bool]] = {
    "UNSPECIFIED": (MxGatewayCommandError, None, False),
    "OK": (MxGatewayCommandError, None, False),
    "INVALID_REQUEST": (Invalid, GrpcStatus.INVALID_ARGUMENT, False),
    "SESSION_NOT_FOUND": (Session, GrpcStatus.NOT_FOUND, False),
    "SESSION_NOT_READY": (Session, GrpcStatus.FAILED_PRECONDITION, False),
    "WORKER_UNAVAILABLE": (Worker, GrpcStatus.UNAVAILABLE, True),
    "TIMEOUT": (Timeout, GrpcStatus.DEADLINE_EXCEEDED, False),
    "CANCELED": (MxGatewayCommandError, None, False),
    "PROTOCOL_VIOLATION": (Protocol, GrpcStatus.INTERNAL, False),
    "MXACCESS_FAILURE": (MxGatewayCommandError, None, False),
    "ADDED_BY_A_NEWER_GATEWAY": (MxGatewayCommandError, None, False),
}


def test_the_table_has_a_row_for_every_protocol_status() -> None:
    assert set(PROTOCOL_STATUSES) - {"ADDED_BY_A_NEWER_GATEWAY"} == {code.name for code in proto.ProtocolStatusCode}


@each_row("name", PROTOCOL_STATUSES)
def test_a_protocol_status_becomes_its_class(name: str) -> None:
    reply = proto.MxCommandReply(diagnostic_message="kept")
    error = map_fault(ProtocolStatusFault(name, "what the gateway said", reply), GATEWAY)
    assert (type(error), error.grpc_status, error.retryable) == PROTOCOL_STATUSES[name]
    assert error.phase == "reply"
    assert error.__cause__ is None
    assert_tells_where(error, GATEWAY)
    assert f"{name} from gw.plant:5001" in error.message
    assert "what the gateway said" in error.message
    if isinstance(error, MxGatewayCommandError):
        assert error.reply is reply
