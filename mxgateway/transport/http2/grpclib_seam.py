"""Every name of grpclib, h2 and hpack that the transport uses.

grpclib's HTTP/2 protocol is subclassed, not patched. A name with a leading underscore, or an undocumented one, is
private to its project; a test pins each of them, so that a new release of a library can break only this module.
"""

from grpclib import __version__ as GRPCLIB_VERSION
from grpclib.config import Configuration
from grpclib.protocol import AbstractHandler, H2Protocol
from grpclib.protocol import Connection as GrpclibConnection
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import RemoteSettingsChanged
from h2.exceptions import H2Error
from h2.settings import SettingCodes, Settings
from hpack.exceptions import HPACKError as HpackError
from hpack.hpack import Decoder as HpackDecoder
from hpack.table import HeaderTable

__all__ = [
    "GRPCLIB_VERSION",
    "AbstractHandler",
    "Configuration",
    "ErrorCodes",
    "GrpclibConnection",
    "H2Configuration",
    "H2Connection",
    "H2Error",
    "H2Protocol",
    "HeaderTable",
    "HpackDecoder",
    "HpackError",
    "RemoteSettingsChanged",
    "SettingCodes",
    "Settings",
]
