"""Every command, also those within groups, as `mxgw-py help` knows them."""

from __future__ import annotations

import click

from mxgateway_cli.help.pages import Page, all_pages
from mxgateway_cli.main import cli


def pages() -> dict[str, Page]:
    """Return each command's page by the words that call it."""
    root = cli.make_context("mxgw-py", ["version"])
    return {" ".join(page.words): page for page in all_pages(root)}


def root() -> click.Context:
    """Return the context of the group of all commands."""
    return cli.make_context("mxgw-py", ["version"])
