"""Every message, enum, stub and service base of the contract, under its own name.

`from mxgateway import proto` gives `proto.MxEvent`, `proto.MxCommandKind` and so on, whichever
package of the contract defines them. The names come from the .proto files: bindings that were
generated from a gateway's own files appear here with whatever that gateway adds. A package is
loaded when the first of its names is used.
"""

from typing import TYPE_CHECKING

from mxgateway.generated import _flat
from mxgateway.generated._flat import __all__ as __all__

if TYPE_CHECKING:
    from mxgateway.generated._flat import *
else:
    from mxgateway.system.lazy_names import lazy_names

    __getattr__, __dir__ = lazy_names(__name__, {_flat.__name__: __all__})
