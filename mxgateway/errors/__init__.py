"""The exception tree, the faults below it, and the one mapping from faults to errors."""

from typing import TYPE_CHECKING

from mxgateway.system.lazy_names import lazy_names

if TYPE_CHECKING:
    from mxgateway.errors.faults import CallSite as CallSite
    from mxgateway.errors.faults import GrpcStatus as GrpcStatus
    from mxgateway.errors.faults import Phase as Phase
    from mxgateway.errors.mapping import map_fault as map_fault
    from mxgateway.errors.partial_bulk import PartialBulk as PartialBulk
    from mxgateway.errors.tree import MxAccessError as MxAccessError
    from mxgateway.errors.tree import MxGatewayAuthenticationError as MxGatewayAuthenticationError
    from mxgateway.errors.tree import MxGatewayAuthorizationError as MxGatewayAuthorizationError
    from mxgateway.errors.tree import MxGatewayCommandError as MxGatewayCommandError
    from mxgateway.errors.tree import MxGatewayContractError as MxGatewayContractError
    from mxgateway.errors.tree import MxGatewayError as MxGatewayError
    from mxgateway.errors.tree import MxGatewayInvalidRequestError as MxGatewayInvalidRequestError
    from mxgateway.errors.tree import MxGatewayLimitError as MxGatewayLimitError
    from mxgateway.errors.tree import MxGatewayMalformedReplyError as MxGatewayMalformedReplyError
    from mxgateway.errors.tree import MxGatewayNotFoundError as MxGatewayNotFoundError
    from mxgateway.errors.tree import MxGatewayProtocolError as MxGatewayProtocolError
    from mxgateway.errors.tree import MxGatewayRedeployError as MxGatewayRedeployError
    from mxgateway.errors.tree import MxGatewaySessionError as MxGatewaySessionError
    from mxgateway.errors.tree import MxGatewayTimeoutError as MxGatewayTimeoutError
    from mxgateway.errors.tree import MxGatewayTlsError as MxGatewayTlsError
    from mxgateway.errors.tree import MxGatewayTransportError as MxGatewayTransportError
    from mxgateway.errors.tree import MxGatewayUsageError as MxGatewayUsageError
    from mxgateway.errors.tree import MxGatewayWorkerError as MxGatewayWorkerError
else:
    __getattr__, __dir__ = lazy_names(
        __name__,
        {
            ".faults": (
                "CallSite",
                "GrpcStatus",
                "Phase",
            ),
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
