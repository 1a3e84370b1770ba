"""Every message, enum, stub and service base of the contract, under its own name.

`from mxgateway import proto` gives `proto.MxEvent`, `proto.MxCommandKind` and so on, whichever
package of the contract defines them. The names come from the .proto files: bindings that were
generated from a gateway's own files appear here with whatever that gateway adds.
"""

from mxgateway.generated._flat import *
from mxgateway.generated._flat import __all__ as __all__
