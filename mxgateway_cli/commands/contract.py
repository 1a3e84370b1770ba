"""The `contract` command."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import click

import mxgateway
from mxgateway_cli.connecting.shared_options import CALL_TIMEOUT, CONNECTION_OPTIONS
from mxgateway_cli.declaring.command import connection_settings
from mxgateway_cli.declaring.local_command import local_command, start
from mxgateway_cli.help.parsed import NewFile
from mxgateway_cli.help.sections import option
from mxgateway_cli.running.app import App
from mxgateway_cli.terminal.exit_codes import CommandFailure, ExitCode

if TYPE_CHECKING:
    from mxgateway.contract import Contract

_SOURCES = ("from_gateway", "descriptor_set", "protos")


@local_command(
    "contract",
    option("--descriptor-set", metavar="FILE", type=click.Path(exists=True, dir_okay=False),
           help="Use a FileDescriptorSet, as a gateway publishes or protoc --descriptor_set_out writes."),
    option("--protos", metavar="DIR", type=click.Path(exists=True, file_okay=False),
           help="Use the .proto files of a folder."),
    option("--from-gateway", is_flag=True, help="Fetch the gateway's own contract (gRPC server reflection)."),
    option("--export", metavar="FILE", type=NewFile(),
           help="Write the contract as a FileDescriptorSet, for the --contract option of other commands."),
    *CONNECTION_OPTIONS, CALL_TIMEOUT,
    examples=(
        "mxgw-py contract",
        "mxgw-py contract --export gateway.protoset",
        "mxgw-py contract --descriptor-set older.protoset",
    ),
)  # fmt: skip
def contract(app: App, export: str | None, **params: Any) -> None:
    """Show, compare or export a contract: this program's or a gateway's.

    Without options it shows this program's contract. Another contract is compared with it, one line per difference;
    exit code 0 if the two are compatible without --contract, 1 if not. With --export it is written to a file instead.
    """
    given = [name for name in _SOURCES if params[name]]
    if len(given) > 1:
        raise click.UsageError(
            f"{' and '.join('--' + name.replace('_', '-') for name in given)} contradict each other: give one of them."
        )
    if export and params["descriptor_set"]:
        raise click.UsageError("--export and --descriptor-set contradict each other.")
    source = {name: params.pop(name) for name in _SOURCES}
    ctx = click.get_current_context()
    settings = connection_settings(ctx, app, params)

    def use(other: Contract | None) -> None:
        if export is not None:
            _export(app, other or _own(), export)
        elif other is None:
            _summarise(app)
        else:
            _compare(app, other, source["descriptor_set"] or source["protos"] or settings.endpoint)

    async def ask() -> None:
        from mxgateway.contract import Contract

        use(await Contract.fetch(settings.endpoint, settings.client_options()))

    if source["from_gateway"]:
        start(ctx, app, ask)
        return
    try:
        use(_load(source["descriptor_set"], source["protos"]))
    except mxgateway.MxGatewayContractError as error:
        raise CommandFailure(str(error), code=ExitCode.USAGE) from None


def _own() -> Contract:
    from mxgateway.contract import Contract

    return Contract.builtin()


def _load(descriptor_set: str | None, protos: str | None) -> Contract | None:
    from mxgateway.contract import Contract

    if descriptor_set is not None:
        return Contract.load(descriptor_set)
    return Contract.from_protos(protos) if protos is not None else None


def _summarise(app: App) -> None:
    own = _own()
    packages: list[dict[str, object]] = [
        {"name": package.name, "messages": package.messages, "enums": package.enums, "rpcs": package.rpcs}
        for package in own.packages
    ]
    if app.output.form == "table":
        for package in packages:
            app.output.pairs({"package": package.pop("name"), **package})
        app.output.pairs(_digests(own))
        return
    app.output.document({"operation": "contract", "packages": packages, **_digests(own)}, value="sha256")


def _digests(found: Contract) -> dict[str, str]:
    """Return the hash of the file and the fingerprint of its content."""
    return {"sha256": hashlib.sha256(found.descriptor_set).hexdigest(), "fingerprint": found.fingerprint}


def _export(app: App, found: Contract, path: str) -> None:
    try:
        found.export(path)
    except mxgateway.MxGatewayContractError as error:
        raise CommandFailure(str(error)) from None
    size = len(found.descriptor_set)
    app.output.document({"operation": "contract", "file": path, "bytes": size, **_digests(found)}, value="file")


def _compare(app: App, other: Contract, place: str) -> None:
    found = _own().compare(other)
    compatible = not any(difference.is_breaking for difference in found)
    if app.output.form == "table":
        rows = [("breaks" if difference.is_breaking else "note", str(difference)) for difference in found]
        app.output.table(("effect", "difference"), rows, headed=False)
        app.output.row(("compatible" if compatible else "not compatible",))
    else:
        differences = [
            {
                "kind": str(difference.kind),
                "name": difference.where,
                "ours": difference.ours or None,
                "theirs": difference.theirs or None,
                "breaking": difference.is_breaking,
            }
            for difference in found
        ]
        result = {"operation": "contract", "file": place, "compatible": compatible, "fingerprint": other.fingerprint}
        app.output.document(result | {"differences": differences}, value="compatible")
    if not compatible:
        click.get_current_context().exit(ExitCode.FAILED)
