"""The RPCs of the contract, and which of them are repeatable.

Reads and CloseSession are. Invoke carries commands of every kind, so `calling.requests` decides for each request.
"""

from __future__ import annotations

from typing import Final

from mxgateway import proto
from mxgateway.transport.calls.method import Method

_GATEWAY: Final = "mxaccess_gateway.v1.MxAccessGateway"
_GALAXY: Final = "galaxy_repository.v1.GalaxyRepository"

OPEN_SESSION: Final = Method(
    _GATEWAY, "OpenSession", proto.OpenSessionRequest, proto.OpenSessionReply, needed_to_close=True
)
CLOSE_SESSION: Final = Method(
    _GATEWAY, "CloseSession", proto.CloseSessionRequest, proto.CloseSessionReply, repeatable=True, needed_to_close=True
)
INVOKE: Final = Method(_GATEWAY, "Invoke", proto.MxCommandRequest, proto.MxCommandReply)
STREAM_EVENTS: Final = Method(_GATEWAY, "StreamEvents", proto.StreamEventsRequest, proto.MxEvent)
ACKNOWLEDGE_ALARM: Final = Method(
    _GATEWAY, "AcknowledgeAlarm", proto.AcknowledgeAlarmRequest, proto.AcknowledgeAlarmReply
)
STREAM_ALARMS: Final = Method(_GATEWAY, "StreamAlarms", proto.StreamAlarmsRequest, proto.AlarmFeedMessage)
QUERY_ACTIVE_ALARMS: Final = Method(
    _GATEWAY, "QueryActiveAlarms", proto.QueryActiveAlarmsRequest, proto.ActiveAlarmSnapshot, repeatable=True
)

TEST_CONNECTION: Final = Method(
    _GALAXY, "TestConnection", proto.TestConnectionRequest, proto.TestConnectionReply, repeatable=True
)
GET_LAST_DEPLOY_TIME: Final = Method(
    _GALAXY, "GetLastDeployTime", proto.GetLastDeployTimeRequest, proto.GetLastDeployTimeReply, repeatable=True
)
DISCOVER_HIERARCHY: Final = Method(
    _GALAXY, "DiscoverHierarchy", proto.DiscoverHierarchyRequest, proto.DiscoverHierarchyReply, repeatable=True
)
WATCH_DEPLOY_EVENTS: Final = Method(
    _GALAXY, "WatchDeployEvents", proto.WatchDeployEventsRequest, proto.DeployEvent, repeatable=True
)
BROWSE_CHILDREN: Final = Method(
    _GALAXY, "BrowseChildren", proto.BrowseChildrenRequest, proto.BrowseChildrenReply, repeatable=True
)
