"""The `version` command."""

from __future__ import annotations

import os
import platform

import mxgateway
from mxgateway_cli.declaring.local_command import local_command
from mxgateway_cli.running.app import App


def _fingerprint() -> str:
    """Return the fingerprint of the contract in use: the one that MXGATEWAY_CONTRACT names, or this program's own."""
    source = os.environ.get("MXGATEWAY_CONTRACT")
    if source is None or source == "auto":
        return mxgateway.CONTRACT_FINGERPRINT
    from mxgateway.contract import Contract
    from mxgateway_cli.terminal.exit_codes import CommandFailure, ExitCode

    try:
        return Contract.load(source).fingerprint
    except mxgateway.MxGatewayContractError as error:
        raise CommandFailure(str(error), code=ExitCode.USAGE) from None


@local_command(
    "version", examples=("mxgw-py version", "mxgw-py version --json", "mxgw-py version -o value"), logs=False
)
def version(app: App) -> None:
    """Show the versions of this program and of its contract."""
    app.output.document(
        {
            "operation": "version",
            "name": "mxgw-py",
            "version": mxgateway.__version__,
            "language": "python",
            "pythonVersion": platform.python_version(),
            "pythonImplementation": platform.python_implementation(),
            "platform": platform.system(),
            "gatewayProtocolVersion": mxgateway.PROTOCOL_VERSION,
            "contractFingerprint": _fingerprint(),
        },
        value="version",
    )
