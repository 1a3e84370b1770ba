"""The `contract` command."""

from __future__ import annotations

import hashlib
from pathlib import Path

import click

from mxgateway import contract as contracts
from mxgateway_cli.app import App
from mxgateway_cli.failures import CommandFailure, ExitCode
from mxgateway_cli.local_command import local_command
from mxgateway_cli.sections import option


@local_command(
    "contract",
    option("--export", metavar="FILE", type=click.Path(dir_okay=False, writable=True),
           help="Write this client's contract as a FileDescriptorSet."),
    option("--descriptor-set", metavar="FILE", type=click.Path(exists=True, dir_okay=False),
           help="Compare with a FileDescriptorSet, such as a gateway publishes or protoc --descriptor_set_out writes."),
)  # fmt: skip
def contract(app: App, export: str | None, descriptor_set: str | None) -> None:
    """Show, export or compare the contract.

    Without an option: what the contract holds. With --descriptor-set every difference is a line, and the exit code is 0 when
    both sides understand each other, 1 when they do not.
    """
    if export and descriptor_set:
        raise click.UsageError("--export and --descriptor-set are two separate jobs.")
    if descriptor_set:
        _compare(app, Path(descriptor_set))
    elif export:
        _export(app, Path(export))
    else:
        _summarise(app)


def _summarise(app: App) -> None:
    data = contracts.own_descriptor_set()
    packages: list[dict[str, object]] = [
        {"name": package.name, "messages": package.messages, "enums": package.enums, "rpcs": package.rpcs}
        for package in contracts.summarize(data)
    ]
    digest = hashlib.sha256(data).hexdigest()
    if app.output.form == "table":
        for package in packages:
            app.output.pairs({"package": package.pop("name"), **package})
        app.output.pairs({"sha256": digest})
        return
    app.output.document({"operation": "contract", "packages": packages, "sha256": digest}, value="sha256")


def _export(app: App, path: Path) -> None:
    data = contracts.own_descriptor_set()
    try:
        path.write_bytes(data)
    except OSError as error:
        raise CommandFailure(f"{str(path)!r} cannot be written: {error.strerror or error}") from None
    digest = hashlib.sha256(data).hexdigest()
    app.output.document(
        {"operation": "contract", "file": str(path), "bytes": len(data), "sha256": digest}, value="file"
    )


def _compare(app: App, path: Path) -> None:
    try:
        found = contracts.compare(contracts.own_descriptor_set(), path.read_bytes())
    except OSError as error:
        raise CommandFailure(f"{str(path)!r} cannot be read: {error.strerror or error}") from None
    except contracts.ContractError as error:
        raise CommandFailure(f"{str(path)!r}: {error}", code=ExitCode.USAGE) from None
    compatible = not any(difference.is_breaking for difference in found)
    if app.output.form == "table":
        for difference in found:
            app.output.row(("breaks" if difference.is_breaking else "note  ", str(difference)))
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
        app.output.document(
            {"operation": "contract", "file": str(path), "compatible": compatible, "differences": differences},
            value="compatible",
        )
    if not compatible:
        click.get_current_context().exit(ExitCode.FAILED)
