"""`mxgateway.proto` holds every generated name, for people and for type checkers."""

from __future__ import annotations

import inspect
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import betterproto
import pytest
from betterproto.grpc.grpclib_server import ServiceBase

from mxgateway import proto
from mxgateway.generated.galaxy_repository import v1 as galaxy
from mxgateway.generated.mxaccess_gateway import v1 as gateway
from mxgateway.generated.mxaccess_worker import v1 as worker
from tests.rows import each_row

BASES = (betterproto.Message, betterproto.Enum, betterproto.ServiceStub, ServiceBase)


@pytest.mark.parametrize("package", [galaxy, gateway, worker], ids=lambda package: package.__name__)
def test_every_class_of_a_package_is_there_under_its_own_name(package: ModuleType) -> None:
    classes = [item for _, item in inspect.getmembers(package, inspect.isclass) if item.__module__ == package.__name__]

    assert classes
    for item in classes:
        assert getattr(proto, item.__name__) is item


def test_the_list_of_names_is_sorted_and_holds_generated_classes_only() -> None:
    assert proto.__all__ == sorted(proto.__all__)
    assert all(issubclass(getattr(proto, name), BASES) for name in proto.__all__)


def test_the_services_have_stubs_and_bases() -> None:
    names = {name for name in proto.__all__ if issubclass(getattr(proto, name), (betterproto.ServiceStub, ServiceBase))}

    assert names == {"GalaxyRepositoryBase", "GalaxyRepositoryStub", "MxAccessGatewayBase", "MxAccessGatewayStub"}


def test_the_names_are_listed_before_any_of_them_is_used() -> None:
    code = (
        "from mxgateway import proto\n"
        "from mxgateway.generated.mxaccess_gateway import v1\n"
        "print({*proto.__all__} <= {*dir(proto)}, {'MxEvent', 'MxAccessGatewayStub'} <= {*dir(v1)})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.split() == ["True", "True"]


@each_row(
    ("used", "loaded"),
    [
        ("proto.__all__", []),
        ("proto.MxEvent", ["mxaccess_gateway.v1"]),
        ("proto.TestConnectionReply", ["galaxy_repository.v1"]),
        ("proto.MxAccessGatewayStub", ["grpclib.server", "mxaccess_gateway.v1", "mxaccess_gateway.v1._services"]),
        ("proto.MxAccessGatewayBase", ["grpclib.server", "mxaccess_gateway.v1", "mxaccess_gateway.v1._services"]),
    ],
)
def test_a_name_loads_its_package_and_a_service_grpclibs_server(used: str, loaded: list[str]) -> None:
    code = (
        f"import sys\nfrom mxgateway import proto\n{used}\n"
        "names = [name.removeprefix('mxgateway.generated.') for name in sys.modules]\n"
        "print(*sorted(name for name in names if name == 'grpclib.server' or '.v1' in name))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.split() == loaded


def test_a_name_that_does_not_exist_is_an_attribute_error() -> None:
    for module in (proto, gateway):
        with pytest.raises(AttributeError, match=f"module '{module.__name__}' has no attribute 'MxEventt'"):
            module.MxEventt  # noqa: B018


def test_a_strict_type_checker_sees_the_names_and_their_types(tmp_path: Path) -> None:
    user = tmp_path / "user.py"
    user.write_text(
        "from mxgateway import proto\n"
        "event = proto.MxEvent(family=proto.MxEventFamily.ON_DATA_CHANGE, value=proto.MxValue(int32_value=3))\n"
        "number: int = event.value.int32_value\n"
        "name: str | None = event.family.name\n"
        "kind = proto.MxCommandKind.try_value(100)\n"
        "reveal_type(kind)\n"
        "proto.MxEvent(session_id=1)\n"
        "proto.MxEvent(family='ON_DATA_CHANGE')\n"
        "proto.MxEventt\n"
        "reveal_type(proto.MxAccessGatewayStub.open_session)\n"
    )
    arguments = ["--strict", "--no-error-summary", f"--cache-dir={tmp_path / 'cache'}", user.name]

    done = subprocess.run(
        [sys.executable, "-m", "mypy", *arguments], cwd=tmp_path, capture_output=True, text=True, check=False
    )

    lines = [line.split(": ", 1)[0] + " " + line.rsplit(" ", 1)[1] for line in done.stdout.splitlines()]
    assert lines == [
        'user.py:6 "mxgateway.generated.mxaccess_gateway.v1.MxCommandKind"',
        "user.py:7 [arg-type]",
        "user.py:8 [arg-type]",
        "user.py:9 [attr-defined]",
        'user.py:10 mxgateway.generated.mxaccess_gateway.v1.OpenSessionReply]"',
    ]
