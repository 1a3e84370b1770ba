"""Every name of grpclib, h2 and hpack that the transport relies on.

grpclib's HTTP/2 protocol is subclassed, not patched. A name with a leading underscore, or one that its project does not document, is private to its project;
a test pins each of them, so that a new release of either library shows here and nowhere else.
"""

from grpclib import __version__ as GRPCLIB_VERSION
from grpclib.client import Handler as ClientHandler
from grpclib.config import Configuration
from grpclib.metadata import decode_grpc_message
from grpclib.protocol import Connection as GrpclibConnection
from grpclib.protocol import EventsProcessor, H2Protocol
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import (
    DataReceived,
    RemoteSettingsChanged,
    ResponseReceived,
    StreamEnded,
    StreamReset,
    TrailersReceived,
    WindowUpdated,
)
from h2.events import Event as H2Event
from h2.exceptions import H2Error, NoAvailableStreamIDError
from h2.settings import SettingCodes, Settings
from hpack.hpack import Decoder as HpackDecoder
from hpack.table import HeaderTable

__all__ = [
    "GRPCLIB_VERSION",
    "ClientHandler",
    "Configuration",
    "DataReceived",
    "ErrorCodes",
    "EventsProcessor",
    "GrpclibConnection",
    "H2Configuration",
    "H2Connection",
    "H2Error",
    "H2Event",
    "H2Protocol",
    "HeaderTable",
    "HpackDecoder",
    "NoAvailableStreamIDError",
    "RemoteSettingsChanged",
    "ResponseReceived",
    "SettingCodes",
    "Settings",
    "StreamEnded",
    "StreamReset",
    "TrailersReceived",
    "WindowUpdated",
    "decode_grpc_message",
]
