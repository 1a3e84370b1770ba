"""The public names: pinned, lazily loaded, and the same for people, type checkers and the run time."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import mxgateway
from tests.rows import each_row

PUBLIC = [
    "ActiveAlarm",
    "AlarmAcknowledgement",
    "AlarmBoard",
    "AlarmChange",
    "AlarmChangeKind",
    "AlarmFeed",
    "AlarmProviderStatus",
    "AlarmReference",
    "AlarmTransition",
    "ApiKey",
    "BrowseOptions",
    "CONTRACT_FINGERPRINT",
    "CallInfo",
    "CallTrace",
    "ClientOptions",
    "ClientStats",
    "ConnectionChange",
    "ConnectionReport",
    "DEFAULT_ENDPOINT",
    "DeployGap",
    "DeployGapCause",
    "DeployWatch",
    "Endpoint",
    "EventStream",
    "GalaxyRepositoryClient",
    "GalaxyTree",
    "Gap",
    "GapCause",
    "Gate",
    "GatewayClient",
    "GrpcStatus",
    "HierarchyOptions",
    "HierarchyPages",
    "HttpProxy",
    "LazyBrowseNode",
    "MxAccessError",
    "MxGatewayAuthenticationError",
    "MxGatewayAuthorizationError",
    "MxGatewayCommandError",
    "MxGatewayContractError",
    "MxGatewayError",
    "MxGatewayInvalidRequestError",
    "MxGatewayLimitError",
    "MxGatewayMalformedReplyError",
    "MxGatewayNotFoundError",
    "MxGatewayProtocolError",
    "MxGatewayRedeployError",
    "MxGatewaySessionError",
    "MxGatewayTimeoutError",
    "MxGatewayTlsError",
    "MxGatewayTransportError",
    "MxGatewayUsageError",
    "MxGatewayWorkerError",
    "MxValueInput",
    "MxValueOutput",
    "OpenSessionOptions",
    "Origin",
    "Outcome",
    "Overflow",
    "PROTOCOL_VERSION",
    "PartialBulk",
    "RecoveryOptions",
    "RetryOptions",
    "Secret",
    "Session",
    "SnapshotComplete",
    "Subscription",
    "SubscriptionOptions",
    "SubscriptionState",
    "SubscriptionStats",
    "TagUpdate",
    "TagValue",
    "TagWrite",
    "Timestamp",
    "TlsOptions",
    "Tracer",
    "UnconvertedValue",
    "VALUE_TYPES",
    "contract",
    "from_json",
    "from_json_dict",
    "from_mx_value",
    "parse_mx_value",
    "parse_value",
    "proto",
    "redact",
    "report_connection",
    "simulator",
    "status",
    "to_json",
    "to_json_dict",
    "to_mx_value",
    "values",
]
HEAVY = ("grpclib", "betterproto", "h2", "hpack", "dateutil", "asyncio", "ssl", "click")


def test_the_public_names_are_these() -> None:
    assert sorted(mxgateway.__all__) == sorted(PUBLIC)
    assert len(set(mxgateway.__all__)) == len(mxgateway.__all__)


@each_row("name", PUBLIC)
def test_a_public_name_resolves_and_is_listed(name: str) -> None:
    assert getattr(mxgateway, name) is not None
    assert name in dir(mxgateway)


def test_a_name_that_does_not_exist_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        mxgateway.Nothing  # noqa: B018


def test_type_checkers_see_the_same_names() -> None:
    tree = ast.parse(Path(mxgateway.__file__).read_text(encoding="utf-8"))
    block = next(node for node in tree.body if isinstance(node, ast.If))
    declared = [alias.asname for node in block.body if isinstance(node, ast.ImportFrom) for alias in node.names]
    assert sorted(filter(None, declared)) == sorted(PUBLIC)


def test_importing_the_package_loads_nothing_heavy() -> None:
    code = f"import sys, mxgateway; print([name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_options_and_errors_come_without_the_protocol_stack() -> None:
    code = (
        "import sys; from mxgateway import ClientOptions, MxAccessError; "
        "print([name for name in ('grpclib', 'betterproto', 'h2') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
