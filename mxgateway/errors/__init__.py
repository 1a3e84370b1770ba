"""The exception tree, the faults below it, and the one mapping from faults to errors."""

from typing import TYPE_CHECKING

from mxgateway.system.lazy_names import lazy_names

if TYPE_CHECKING:
    from mxgateway.errors.faults import CallSite as CallSite
    from mxgateway.errors.faults import GrpcStatus as GrpcStatus
    from mxgateway.errors.faults import Phase as Phase
    from mxgateway.errors.mapping import map_fault as map_fault
    from mxgateway.errors.partial_bulk import PartialBulk as PartialBulk
    from mxgateway.errors.tree import *  # noqa: F403 - all of them
else:
    __getattr__, __dir__ = lazy_names(
        __name__,
        {
            ".faults": ("CallSite", "GrpcStatus", "Phase"),
            ".mapping": ("map_fault",),
            ".partial_bulk": ("PartialBulk",),
            ".tree": (
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
            ),
        },
    )
