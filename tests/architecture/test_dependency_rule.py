"""Who may know whom; the arrows point one way."""

from __future__ import annotations

import pytest

from tests.architecture.imports import imports, modules

BASE = {
    "options", "endpoints", "errors", "refusals", "faults", "gate", "logs", "credentials", "stats", "status", "partial_bulk", "records", "subscription_options", "tracing",
    "versions",
}  # fmt: skip
CLIENT = {
    "alarms", "bulk_parts", "client", "commands", "connecting", "events", "galaxy", "methods", "session", "session_opener",
    "session_requests", "shared_attempt", "speaking", "subscription", "tag_book", "tags", "write_values",
}  # fmt: skip
VALUES = {"values", "value_kinds", "value_text"}
BINDINGS = {"generated", "proto"}

ALLOWED = {
    **dict.fromkeys(BASE, BASE),
    "versions": {"generated"},
    "generated": {"generated", "wire"},  # the base class of its messages
    "proto": {"generated", "wire"},
    "wire": {"wire", "generated"},
    "contract": {"contract", "files", "wire", "generated"} | BASE,
    "event_loops": set(),
    "files": set(),
    "transport": {"transport", "wire", "event_loops", "files"} | BASE,
    **{room: BASE | VALUES | BINDINGS | {"wire"} for room in VALUES},
    **{room: CLIENT | VALUES | BASE | BINDINGS | {"contract", "transport", "wire"} for room in CLIENT},
    "simulator": {"simulator", "wire", "event_loops", "files"} | BINDINGS,
    "testing": {"simulator"},
}
"""From each room of the library to the rooms that it may know."""
ALLOWED_TO_ONE = {
    "mxgateway.contract.reflection": {"transport"} | BASE,
    "mxgateway.contract.contract": {"transport", "connecting"} | BASE,
}
"""From single modules to rooms that the others beside them do not know: these ask a gateway for its contract."""


def room(module: str) -> str:
    """Return the room of the library that a module stands in."""
    return module.split(".")[1] if "." in module else ""


@pytest.mark.parametrize("module", [name for name in modules(generated=True) if name.startswith("mxgateway.")])
def test_a_module_knows_only_the_rooms_below_it(module: str) -> None:
    found = {name for name in imports(module, modules(generated=True)[module]) if name.startswith("mxgateway")}
    assert not {name for name in found if name.startswith("mxgateway_cli")}
    strangers = {room(name) for name in found} - ALLOWED[room(module)] - {room(module)}
    strangers -= ALLOWED_TO_ONE.get(module, set())
    assert strangers == set()


def test_the_package_itself_loads_nothing_of_its_own_until_a_name_is_used() -> None:
    found = imports("mxgateway", modules()["mxgateway"])
    assert {name for name in found if name.startswith("mxgateway")} == set()


@pytest.mark.parametrize("module", [name for name in modules() if name.startswith("mxgateway_cli")])
def test_the_command_line_knows_public_names_only(module: str) -> None:
    found = imports(module, modules()[module])
    ours = {name for name in found if name.split(".")[0] == "mxgateway"}
    public = {"proto", "simulator", "contract", "status", "files"}
    assert ours <= {"mxgateway", *(f"mxgateway.{name}" for name in public)}
    assert not {name for name in found if name.split(".")[0] in ("grpclib", "betterproto", "h2", "hpack")}


def test_a_forbidden_import_would_be_noticed() -> None:
    found = imports("mxgateway.session", modules()["mxgateway.session"])
    assert "transport" in {room(name) for name in found}
    assert "transport" not in ALLOWED["simulator"]
