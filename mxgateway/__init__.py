"""Pure-async, fully typed client for the MXAccess Gateway.

Every public name is here, and is imported on first use, so that ``import mxgateway`` is fast.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from mxgateway import contract as contract
    from mxgateway import proto as proto
    from mxgateway import simulator as simulator
    from mxgateway import status as status
    from mxgateway import values as values
    from mxgateway.alarms.acknowledge import AlarmAcknowledgement as AlarmAcknowledgement
    from mxgateway.alarms.board import AlarmBoard as AlarmBoard
    from mxgateway.alarms.changes import AlarmChange as AlarmChange
    from mxgateway.alarms.changes import AlarmChangeKind as AlarmChangeKind
    from mxgateway.alarms.feed import AlarmFeed as AlarmFeed
    from mxgateway.alarms.messages import ActiveAlarm as ActiveAlarm
    from mxgateway.alarms.messages import AlarmProviderStatus as AlarmProviderStatus
    from mxgateway.alarms.messages import AlarmTransition as AlarmTransition
    from mxgateway.alarms.messages import SnapshotComplete as SnapshotComplete
    from mxgateway.alarms.references import AlarmReference as AlarmReference
    from mxgateway.client import GatewayClient as GatewayClient
    from mxgateway.errors import GrpcStatus as GrpcStatus
    from mxgateway.errors import MxAccessError as MxAccessError
    from mxgateway.errors import MxGatewayAuthenticationError as MxGatewayAuthenticationError
    from mxgateway.errors import MxGatewayAuthorizationError as MxGatewayAuthorizationError
    from mxgateway.errors import MxGatewayCommandError as MxGatewayCommandError
    from mxgateway.errors import MxGatewayContractError as MxGatewayContractError
    from mxgateway.errors import MxGatewayError as MxGatewayError
    from mxgateway.errors import MxGatewayInvalidRequestError as MxGatewayInvalidRequestError
    from mxgateway.errors import MxGatewayLimitError as MxGatewayLimitError
    from mxgateway.errors import MxGatewayMalformedReplyError as MxGatewayMalformedReplyError
    from mxgateway.errors import MxGatewayNotFoundError as MxGatewayNotFoundError
    from mxgateway.errors import MxGatewayProtocolError as MxGatewayProtocolError
    from mxgateway.errors import MxGatewayRedeployError as MxGatewayRedeployError
    from mxgateway.errors import MxGatewaySessionError as MxGatewaySessionError
    from mxgateway.errors import MxGatewayTimeoutError as MxGatewayTimeoutError
    from mxgateway.errors import MxGatewayTlsError as MxGatewayTlsError
    from mxgateway.errors import MxGatewayTransportError as MxGatewayTransportError
    from mxgateway.errors import MxGatewayUsageError as MxGatewayUsageError
    from mxgateway.errors import MxGatewayWorkerError as MxGatewayWorkerError
    from mxgateway.errors import PartialBulk as PartialBulk
    from mxgateway.errors.redaction import Gate as Gate
    from mxgateway.events.stream import EventStream as EventStream
    from mxgateway.galaxy.browse import LazyBrowseNode as LazyBrowseNode
    from mxgateway.galaxy.client import GalaxyRepositoryClient as GalaxyRepositoryClient
    from mxgateway.galaxy.deploys import DeployGap as DeployGap
    from mxgateway.galaxy.deploys import DeployGapCause as DeployGapCause
    from mxgateway.galaxy.deploys import DeployWatch as DeployWatch
    from mxgateway.galaxy.hierarchy import HierarchyPages as HierarchyPages
    from mxgateway.galaxy.options import BrowseOptions as BrowseOptions
    from mxgateway.galaxy.options import HierarchyOptions as HierarchyOptions
    from mxgateway.galaxy.tree import GalaxyTree as GalaxyTree
    from mxgateway.options import DEFAULT_ENDPOINT as DEFAULT_ENDPOINT
    from mxgateway.options import ClientOptions as ClientOptions
    from mxgateway.options import Endpoint as Endpoint
    from mxgateway.options import HttpProxy as HttpProxy
    from mxgateway.options import OpenSessionOptions as OpenSessionOptions
    from mxgateway.options import RetryOptions as RetryOptions
    from mxgateway.options import TlsOptions as TlsOptions
    from mxgateway.options.credentials import ApiKey as ApiKey
    from mxgateway.options.credentials import Secret as Secret
    from mxgateway.options.credentials import redact as redact
    from mxgateway.options.protocol_version import CONTRACT_FINGERPRINT as CONTRACT_FINGERPRINT
    from mxgateway.options.protocol_version import PROTOCOL_VERSION as PROTOCOL_VERSION
    from mxgateway.options.subscription import Overflow as Overflow
    from mxgateway.options.subscription import RecoveryOptions as RecoveryOptions
    from mxgateway.options.subscription import SubscriptionOptions as SubscriptionOptions
    from mxgateway.options.tracing import CallInfo as CallInfo
    from mxgateway.options.tracing import CallTrace as CallTrace
    from mxgateway.options.tracing import Tracer as Tracer
    from mxgateway.session import Session as Session
    from mxgateway.session import Subscription as Subscription
    from mxgateway.subscription.updates import ConnectionChange as ConnectionChange
    from mxgateway.subscription.updates import Gap as Gap
    from mxgateway.subscription.updates import GapCause as GapCause
    from mxgateway.subscription.updates import Origin as Origin
    from mxgateway.subscription.updates import Outcome as Outcome
    from mxgateway.subscription.updates import SubscriptionState as SubscriptionState
    from mxgateway.subscription.updates import SubscriptionStats as SubscriptionStats
    from mxgateway.subscription.updates import TagUpdate as TagUpdate
    from mxgateway.transport.connecting.report import ConnectionReport as ConnectionReport
    from mxgateway.transport.connecting.report import report_connection as report_connection
    from mxgateway.transport.stats import ClientStats as ClientStats
    from mxgateway.values import MxValueInput as MxValueInput
    from mxgateway.values import MxValueOutput as MxValueOutput
    from mxgateway.values import UnconvertedValue as UnconvertedValue
    from mxgateway.values import from_mx_value as from_mx_value
    from mxgateway.values import to_mx_value as to_mx_value
    from mxgateway.values.tag_values import TagValue as TagValue
    from mxgateway.values.tag_values import TagWrite as TagWrite
    from mxgateway.values.text import VALUE_TYPES as VALUE_TYPES
    from mxgateway.values.text import parse_mx_value as parse_mx_value
    from mxgateway.values.text import parse_value as parse_value
    from mxgateway.wire import Timestamp as Timestamp
    from mxgateway.wire import from_json as from_json
    from mxgateway.wire import from_json_dict as from_json_dict
    from mxgateway.wire import to_json as to_json
    from mxgateway.wire import to_json_dict as to_json_dict

__version__: Final = "0.1.0"

_MODULES: Final = {
    "alarms.acknowledge": ("AlarmAcknowledgement",),
    "alarms.board": ("AlarmBoard",),
    "alarms.changes": ("AlarmChange", "AlarmChangeKind"),
    "alarms.feed": ("AlarmFeed",),
    "alarms.messages": ("ActiveAlarm", "AlarmProviderStatus", "AlarmTransition", "SnapshotComplete"),
    "alarms.references": ("AlarmReference",),
    "client": ("GatewayClient",),
    "errors": (
        "GrpcStatus",
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
        "PartialBulk",
    ),
    "errors.redaction": ("Gate",),
    "events.stream": ("EventStream",),
    "galaxy.browse": ("LazyBrowseNode",),
    "galaxy.client": ("GalaxyRepositoryClient",),
    "galaxy.deploys": ("DeployGap", "DeployGapCause", "DeployWatch"),
    "galaxy.hierarchy": ("HierarchyPages",),
    "galaxy.options": ("BrowseOptions", "HierarchyOptions"),
    "galaxy.tree": ("GalaxyTree",),
    "options": (
        "DEFAULT_ENDPOINT",
        "ClientOptions",
        "Endpoint",
        "HttpProxy",
        "OpenSessionOptions",
        "RetryOptions",
        "TlsOptions",
    ),
    "options.credentials": ("ApiKey", "Secret", "redact"),
    "options.protocol_version": ("CONTRACT_FINGERPRINT", "PROTOCOL_VERSION"),
    "options.subscription": ("Overflow", "RecoveryOptions", "SubscriptionOptions"),
    "options.tracing": ("CallInfo", "CallTrace", "Tracer"),
    "session": ("Session", "Subscription"),
    "subscription.updates": (
        "ConnectionChange",
        "Gap",
        "GapCause",
        "Origin",
        "Outcome",
        "SubscriptionState",
        "SubscriptionStats",
        "TagUpdate",
    ),
    "transport.connecting.report": ("ConnectionReport", "report_connection"),
    "transport.stats": ("ClientStats",),
    "values": ("MxValueInput", "MxValueOutput", "UnconvertedValue", "from_mx_value", "to_mx_value"),
    "values.tag_values": ("TagValue", "TagWrite"),
    "values.text": ("VALUE_TYPES", "parse_mx_value", "parse_value"),
    "wire": ("Timestamp", "from_json", "from_json_dict", "to_json", "to_json_dict"),
}
_HOMES: Final = {name: module for module, names in _MODULES.items() for name in names}
_SUBMODULES: Final = ("contract", "proto", "simulator", "status", "values")

if not TYPE_CHECKING:  # type checkers have the imports above; an `__all__` that they cannot read would hide them
    __all__ = [*_HOMES, *_SUBMODULES]


def __getattr__(name: str) -> Any:
    if name in _SUBMODULES:
        return importlib.import_module(f"{__name__}.{name}")
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{home}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES, *_SUBMODULES])
