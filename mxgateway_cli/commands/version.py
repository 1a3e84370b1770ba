"""The `version` command."""

from __future__ import annotations

import platform

import mxgateway
from mxgateway_cli.app import App
from mxgateway_cli.local_command import local_command


@local_command("version", logs=False)
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
        },
        value="version",
    )
