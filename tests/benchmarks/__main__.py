"""Runs the benchmarks: ``python -m tests.benchmarks``."""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from datetime import UTC, datetime
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import mxgateway
from tests.benchmarks import (
    bulk,
    codec,
    contract,
    galaxy,
    live,
    memory,
    plants,
    programs,
    simulator,
    stream,
    subscribe,
    unary,
)
from tests.benchmarks.bindings import StockContract, generate_grpcio_modules
from tests.benchmarks.harness import QUICK, Figure, Settings, table
from tests.benchmarks.worker import Worker

PACKAGES: Final = ("betterproto", "grpclib", "h2", "grpcio", "protobuf")
DEFAULT_JSON: Final = Path("build/bench.json")


class Suite:
    """The benchmark themes, and their shared state.

    Args:
        settings: Sizes and repetitions.
        folder: For generated modules.
    """

    def __init__(self, settings: Settings, folder: Path) -> None:
        self._settings = settings
        self._folder = folder

    @cached_property
    def _stock(self) -> StockContract:
        return StockContract()

    @cached_property
    def _grpcio_modules(self) -> Path:
        folder = self._folder / "grpcio"
        folder.mkdir()
        generate_grpcio_modules(folder)
        return folder

    def themes(self) -> dict[str, Callable[[], Iterator[Figure]]]:
        """Return the themes in the order of the table."""
        return {
            "codec": lambda: codec.figures(self._settings, self._stock),
            "json": lambda: codec.json_figures(self._settings, self._stock),
            "contract": lambda: contract.figures(self._settings, self._folder),
            "stream": lambda: stream.figures(self._settings),
            "subscribe": lambda: subscribe.figures(self._settings),
            "live": lambda: live.figures(self._settings),
            "unary": lambda: unary.figures(self._settings),
            "bulk": lambda: bulk.figures(self._settings, self._folder),
            "galaxy": lambda: galaxy.figures(self._settings, self._stock),
            "plants": lambda: plants.figures(self._settings, self._folder),
            "memory": lambda: memory.figures(self._settings),
            "simulator": lambda: simulator.figures(self._settings),
            "programs": lambda: programs.figures(self._settings, self._grpcio_modules),
        }


def environment() -> dict[str, Any]:
    """Return the environment of the measurement."""
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "system": platform.platform(),
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "versions": {"mxgateway": mxgateway.__version__, **{name: version(name) for name in PACKAGES}},
        "load": _load(),
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def _load() -> float | None:
    """Return the system's load average of the last minute."""
    return os.getloadavg()[0] if hasattr(os, "getloadavg") else None


def main(arguments: list[str] | None = None) -> int:
    """Run the requested themes, print the table, write the JSON and return the exit code."""
    options = _parse(arguments)
    settings = QUICK if options.quick else Settings()
    Worker.forks = options.quick
    if options.rounds is not None:
        settings = replace(settings, rounds=options.rounds)
    document: dict[str, Any] = {"environment": environment(), "settings": asdict(settings)}
    figures: list[Figure] = []
    with tempfile.TemporaryDirectory() as folder:
        for name, theme in Suite(settings, Path(folder)).themes().items():
            if not options.only or name in options.only:
                start = time.perf_counter()
                figures += theme()
                print(f"{name}: {time.perf_counter() - start:.0f} s", file=sys.stderr)
    print(table(figures))
    options.json.parent.mkdir(parents=True, exist_ok=True)
    document["environment"]["load_after"] = _load()
    document["figures"] = [figure.as_dict() for figure in figures]
    options.json.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    print(f"written to {options.json}", file=sys.stderr)
    return 0


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks", description="Measure the client against its peers."
    )
    names = list(Suite(QUICK, Path()).themes())
    parser.add_argument("--only", action="append", choices=names, help="measure one theme; may be repeated")
    parser.add_argument("--rounds", type=int, help=f"samples of each contender; {Settings().rounds} unless told")
    parser.add_argument("--quick", action="store_true", help="the smallest sizes, to see that everything runs")
    parser.add_argument(
        "--json",
        type=Path,
        default=DEFAULT_JSON,
        metavar="FILE",
        help=f"where to write the figures; {DEFAULT_JSON} unless told",
    )
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
