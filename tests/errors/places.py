"""Where the faults of these tests are met, the classes by short names, and what every error tells."""

from mxgateway.errors import (
    CallSite,
    MxGatewayAuthenticationError,
    MxGatewayAuthorizationError,
    MxGatewayContractError,
    MxGatewayError,
    MxGatewayInvalidRequestError,
    MxGatewayNotFoundError,
    MxGatewayProtocolError,
    MxGatewaySessionError,
    MxGatewayTimeoutError,
    MxGatewayTlsError,
    MxGatewayTransportError,
    MxGatewayWorkerError,
)

GATEWAY = CallSite(
    endpoint="gw.plant:5001", method="MxAccessGateway/Invoke", correlation_id="c-1", session_id="session-1", timeout=2.5
)
GALAXY = CallSite(endpoint="gw.plant:5001", method="GalaxyRepository/BrowseChildren", correlation_id="c-1", timeout=2.5)

Authentication, Authorization, Session = (
    MxGatewayAuthenticationError,
    MxGatewayAuthorizationError,
    MxGatewaySessionError,
)
Contract, Invalid = MxGatewayContractError, MxGatewayInvalidRequestError
NotFound, Protocol = MxGatewayNotFoundError, MxGatewayProtocolError
Timeout, Tls, Transport, Worker = (
    MxGatewayTimeoutError,
    MxGatewayTlsError,
    MxGatewayTransportError,
    MxGatewayWorkerError,
)


def assert_tells_where(error: MxGatewayError, site: CallSite) -> None:
    told = (error.endpoint, error.method, error.correlation_id, error.session_id)
    assert told == (site.endpoint, site.method, site.correlation_id, site.session_id)
