"""Type hints of public names resolve at run time: pydantic, cattrs, beartype and sphinx read them."""

from __future__ import annotations

import functools
import inspect
import subprocess
import sys
import typing
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import mxgateway.contract
import mxgateway.simulator
import mxgateway.status
import mxgateway.testing
import mxgateway.values
from mxgateway import errors, proto
from tests.rows import each_row


def hinted(name: str, thing: Any) -> Iterator[tuple[str, Any]]:
    """Yield a public name, and the methods and properties of a class, its bases' among them."""
    if inspect.isclass(thing) or inspect.isfunction(thing):
        yield name, thing
    for member, found in inspect.getmembers_static(thing) if inspect.isclass(thing) else ():
        function = found.fget if isinstance(found, property) else getattr(found, "__func__", found)
        function = function.func if isinstance(function, functools.cached_property) else function
        if inspect.isfunction(function) and function.__module__.startswith("mxgateway"):
            yield f"{name}.{member}", function


def names_of(module: ModuleType) -> list[str]:
    """Return a module's public names, without those of other packages."""
    names: list[str] = getattr(module, "__all__", None) or [name for name in dir(module) if not name.startswith("_")]
    return [name for name in names if getattr(getattr(module, name), "__module__", "").startswith("mxgateway")]


MODULES = [errors, mxgateway.contract, mxgateway.simulator, mxgateway.status, mxgateway.testing, mxgateway.values]
MESSAGES = [(name, found) for name in names_of(proto) if inspect.isclass(found := getattr(proto, name))]
PUBLIC = [
    *(row for name in mxgateway.__all__ for row in hinted(name, getattr(mxgateway, name))),
    *(row for module in MODULES for name in names_of(module) for row in hinted(name, getattr(module, name))),
    *MESSAGES,
]


@each_row(("name", "thing"), PUBLIC)
def test_the_type_hints_of_a_public_name_resolve(name: str, thing: Any) -> None:
    assert typing.get_type_hints(thing, include_extras=True) is not None


def test_methods_are_among_them() -> None:
    names = {name for name, _ in PUBLIC}
    assert {"explain_status", "SimulatedGateway.set_tag", "Contract.load", "MxEvent", "MxStatusCategory"} <= names
    assert {"GatewayClient.alarm_board", "GatewayClient.galaxy", "TagUpdate", "parse_value", "Session.write"} <= names


def test_pydantic_is_not_imported() -> None:
    code = "import sys, mxgateway; mxgateway.TagUpdate, mxgateway.proto.MxEvent; print('pydantic' in sys.modules)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout == "False\n"
