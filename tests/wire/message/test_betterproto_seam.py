"""betterproto comes in without what only its import needs, and whoever else uses it or those modules notices nothing."""

from __future__ import annotations

import importlib.metadata
import json
import re
import subprocess
import sys
import threading
from importlib import import_module
from typing import Any

import pytest

from mxgateway.wire.messages import betterproto_seam as seam
from tests.architecture.imports import ROOT
from tests.rows import each_row

SAVED = ("importlib.metadata", "email", "dateutil", "typing_extensions", "json", "grpclib.server", "grpclib.client")
ENTRIES = (
    "mxgateway.client", "mxgateway.commands", "mxgateway.proto", "mxgateway.session", "mxgateway.transport.calls",
    "mxgateway.values", "mxgateway.wire", "mxgateway.generated.mxaccess_gateway.v1",
)  # fmt: skip


def run(code: str) -> Any:
    """Run a program in a process of its own; it puts what it found into `found`."""
    program = f"import sys\nfound = None\n{code}\nimport json\nprint(json.dumps(found))"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(re.sub(r"\bat 0x\w+", "somewhere", done.stdout))


def stand_in_names() -> set[str]:
    return {name for name, module in sys.modules.items() if isinstance(module, seam.StandIn)}


@pytest.fixture
def before_betterproto(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the import system forget betterproto and what the stand-ins stand for."""
    for name in ("betterproto", "betterproto._version", "dateutil.parser", "json", "json.decoder", "typing_extensions"):
        monkeypatch.delitem(sys.modules, name, raising=False)


@each_row("entry", ENTRIES)
def test_what_only_the_import_of_betterproto_needs_is_not_loaded(entry: str) -> None:
    assert run(f"import {entry}\nfound = [name for name in {SAVED!r} if name in sys.modules]") == []


def test_the_pinned_version_is_the_installed_and_the_required_one() -> None:
    requirements = importlib.metadata.requires("mxaccess-gateway-client") or []

    assert importlib.metadata.version("betterproto") == seam.PINNED_VERSION == vars(seam.betterproto)["__version__"]
    assert f"betterproto=={seam.PINNED_VERSION}" in requirements


def test_afterwards_the_modules_are_the_real_ones() -> None:
    found = run(
        "from mxgateway.wire.messages.betterproto_seam import betterproto, GoogleFinder, StandIn\n"
        "import dateutil.parser, typing_extensions, betterproto._version, json\n"
        "found = [betterproto.__version__, betterproto._version.__version__, dateutil.parser.parse('2024-05-06').year,\n"
        "         typing_extensions.TypedDict.__name__, json.loads('1'), GoogleFinder in sys.meta_path,\n"
        "         [name for name, module in sys.modules.items() if isinstance(module, StandIn)]]"
    )

    assert found == [seam.PINNED_VERSION, seam.PINNED_VERSION, 2024, "TypedDict", 1, False, []]


def test_betterprotos_own_json_reads_and_writes_times() -> None:
    found = run(
        "from mxgateway import proto\n"
        'event = proto.MxEvent().from_json(\'{"workerTimestamp": "2024-05-06T07:08:09.5Z"}\')\n'
        "found = [event.worker_timestamp.isoformat(), event.to_json()]"
    )

    assert found == ["2024-05-06T07:08:09.500000+00:00", '{"workerTimestamp": "2024-05-06T07:08:09.500Z"}']


def test_a_betterproto_that_was_imported_before_is_left_alone() -> None:
    found = run(
        "import betterproto\n"
        "from betterproto.lib.google.protobuf import Duration\n"
        "before = [betterproto.isoparse.__module__, betterproto.json.__name__, '__init__' in vars(Duration)]\n"
        "from mxgateway.wire.messages import betterproto_seam as seam\n"
        "found = [seam.betterproto is betterproto, seam.google.Duration is Duration, 'importlib.metadata' in sys.modules,\n"
        "         type(betterproto.json) is type(sys), type(vars(Duration)['__init__']).__name__]"
    )

    assert found == [True, True, True, True, "function"]


@pytest.mark.usefixtures("before_betterproto")
def test_another_version_than_the_pinned_one_is_imported_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    with seam.stand_ins():
        assert {"betterproto._version", "dateutil.parser", "json", "typing_extensions"} == stand_in_names()
    monkeypatch.setattr(seam, "PINNED_VERSION", "2.0.0b6")
    with seam.stand_ins():
        assert stand_in_names() == set()
        assert seam.GoogleFinder not in sys.meta_path


@pytest.mark.usefixtures("before_betterproto")
def test_an_import_that_fails_leaves_nothing_behind() -> None:
    with pytest.raises(ImportError, match="out of order"), seam.stand_ins():
        raise ImportError("out of order")

    assert stand_in_names() == set()
    assert seam.GoogleFinder not in sys.meta_path


@pytest.mark.usefixtures("before_betterproto")
@pytest.mark.parametrize(
    ("module", "name"),
    [("json.decoder", "JSONDecoder"), ("dateutil.parser", "parse"), ("typing_extensions", "TypedDict")],
)
def test_another_thread_gets_the_real_module_even_meanwhile(module: str, name: str) -> None:
    found: list[Any] = []
    with seam.stand_ins():
        other = threading.Thread(target=lambda: found.append(getattr(import_module(module), name)))
        other.start()
        other.join()

    assert found[0].__name__ == name


# What can be told of a class without looking at its code.
DESCRIBE = """
import dataclasses, inspect, pickle
from betterproto.lib.google import protobuf as google

def replaced(message):
    try:
        return repr(dataclasses.replace(message))
    except AttributeError as error:
        return str(error)

def told(message_type):
    if {constructor_first!r}:
        made = message_type()
    fields = dataclasses.fields(message_type)
    arguments = inspect.signature(message_type)
    made = message_type(**{{field.name: field.name for field in fields if field.type == "str"}})
    return [
        message_type.__module__, message_type.__qualname__, message_type.__doc__, str(message_type.__mro__),
        [[field.name, str(field.type), repr(field.default), str(field.metadata), field.init, field.repr] for field in fields],
        str(message_type.__dataclass_params__), message_type.__match_args__, str(arguments), repr(made), bytes(made).hex(),
        [repr(vars(message_type)[field.name]) for field in fields], made == pickle.loads(pickle.dumps(made)),
        message_type.__init__.__qualname__, message_type.__init__.__module__, dataclasses.is_dataclass(message_type),
        replaced(made), str(message_type.__annotations__), hasattr(message_type, "__replace__"),
    ]

found = {{name: told(each) for name, each in sorted(vars(google).items()) if dataclasses.is_dataclass(each)}}
"""


@pytest.mark.parametrize("constructor_first", [True, False], ids=["made first", "looked at first"])
def test_googles_message_types_are_what_they_are_without_the_seam(constructor_first: bool) -> None:
    describe = DESCRIBE.format(constructor_first=constructor_first)
    plain = run(f"import betterproto\n{describe}")
    through_the_seam = run(f"import mxgateway.wire.messages.betterproto_seam\n{describe}")

    assert len(plain) > 55
    assert through_the_seam == plain


def test_a_wrong_argument_of_googles_message_types_is_told_as_without_the_seam() -> None:
    code = "try: google.Duration(1, 2, 3)\nexcept TypeError as error: found = str(error)"
    plain = run(f"from betterproto.lib.google import protobuf as google\n{code}")

    assert run(f"from mxgateway.wire.messages.betterproto_seam import google\n{code}") == plain
    assert plain == "Duration.__init__() takes from 1 to 3 positional arguments but 4 were given"
