"""The whole suite runs and yields every figure; speed is not tested."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.benchmarks import bulk, simulator, stream
from tests.benchmarks.harness import Target, compare, per_item, table, take_turns
from tests.rows import each_row

ROOT = Path(__file__).parents[2]
TARGETS = {
    "decode-event": "≥ 50×",
    "encode-write-bulk": "≥ 30×",
    "read-attributes": "≥ 5×",
    "decode-page": "≥ 40×",
    "contract-decode": "≥ 0.97×",
    "contract-decode-page": "≥ 0.97×",
    "contract-encode": "≥ 0.97×",
    "contract-project": "≥ 0.97×",
    "contract-stream": "≥ 0.97×",
    "contract-bind": "≤ 150 ms",
    "stream-aio": "≥ 3×",
    "stream-sync": "≥ 2×",
    "stream-pinned-aio": "≥ 3×",
    "stream-pinned-sync": "≥ 2×",
    "subscribe-aio": "≥ 7×",
    "subscribe-pinned-aio": "≥ 3×",
    "live-stream-aio": "≤ 0.7×",
    "live-stream-bare": "≤ 1.35×",
    "live-subscribe-aio": "≤ 0.85×",
    "unary-p50": "≥ 1×",
    "unary-rate": "≥ 1×",
    "bulk-subscribe": "≥ 1×",
    "bulk-read": "≥ 1×",
    "bulk-read_bulk": "≥ 1×",
    "bulk-write": "≥ 1×",
    "galaxy-memory-large": "≤ 60 MiB",
    "galaxy-memory-small": "≤ 60 MiB",
    "galaxy-stock": "≥ 30×",
    "plant-export": "≤ 5 s",
    "memory-events": "≤ 10 MiB",
    "simulator-events": "≥ 20000 events/s",
    "simulator-memory-closed": "≤ 2 MiB",
    "simulator-memory-idle": "≤ 200 MiB",
    "import": "≤ 0.5×",
    "version": "≤ 0.5×",
    "first-reply": "≤ 1.5×",
}
INFORMATION = {
    "decode-event-upb", "encode-write-bulk-upb", "read-attributes-upb", "decode-page-upb", "json-event",
    "json-event-upb", "stream-cpu-aio", "stream-cpu-sync", "stream-single-threaded", "stream-server",
    "stream-pinned-cpu-aio", "stream-pinned-single-threaded", "stream-coalesced-aio", "stream-coalesced-sync",
    "contract-stream-cpu", "stream-slow-aio", "stream-slow-cpu-aio", "stream-slow-server", "import-all", "import-python", "first-reply-aio",
    "one-call", "bulk-memory",
    *(f"bulk-{name}-cpu" for name in bulk.TITLES),
    *(f"bulk-quick-{name}{kind}" for name in bulk.TITLES for kind in ("", "-cpu")),
    "galaxy-large", "galaxy-large-cpu", "galaxy-small", "galaxy-small-cpu",
    "subscribe-cpu-aio", "subscribe-pinned-cpu-aio",
    "simulator-aio", "simulator-uvloop", "simulator-cpu",
    "live-late", "live-fast-stream-aio", "live-fast-stream-bare", "live-fast-subscribe-aio", "live-fast-late",
}  # fmt: skip

AMOUNTS = {"memory-events", "contract-bind", "plant-export", "simulator-events"}


def _possible(name: str) -> bool:
    if name in ("simulator-uvloop", "simulator-cpu"):
        return simulator.UVLOOP in simulator.loops()
    return "-pinned" not in name or stream.usable_cores() is not None


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, dict[str, Any]]:
    """The table and the JSON of a run with minimal sizes."""
    target = tmp_path_factory.mktemp("benchmarks") / "build" / "bench.json"
    command = [sys.executable, "-m", "tests.benchmarks", "--quick", "--json", str(target)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, encoding="utf-8", timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stdout, json.loads(target.read_text(encoding="utf-8"))


def test_every_figure_is_produced_with_its_target(run: tuple[str, dict[str, Any]]) -> None:
    figures = {figure["name"]: figure for figure in run[1]["figures"]}

    assert len(figures) == len(run[1]["figures"])
    assert set(figures) == {name for name in {*TARGETS, *INFORMATION} if _possible(name)}
    assert {name: each["target"] for name, each in figures.items() if each["target"]} == {
        name: target for name, target in TARGETS.items() if _possible(name)
    }


def test_every_figure_is_a_ratio_of_two_positive_numbers_an_amount_or_a_share(
    run: tuple[str, dict[str, Any]],
) -> None:
    for figure in run[1]["figures"]:
        assert math.isfinite(figure["value"])
        if figure["name"] in AMOUNTS or figure["name"].startswith(("galaxy-memory", "simulator-memory")):
            assert figure["ours"] == figure["value"] >= 0
        elif figure["name"].endswith("-late"):
            assert 0 <= figure["ours"] == figure["value"] <= 100
        elif figure["name"] == "bulk-memory":
            assert figure["ours"] > 0
        else:
            assert min(figure["ours"], figure["other"], figure["value"], *figure["ratios"]) > 0
            assert figure["title"]
            assert figure["other_name"]
        assert figure["verdict"] in (("met", "short") if figure["target"] else ("",))


def test_the_table_has_a_row_for_every_figure(run: tuple[str, dict[str, Any]]) -> None:
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in run[0].splitlines()]

    assert {len(row) for row in rows} == {7}
    assert [row[0] for row in rows[2:]] == [figure["title"] for figure in run[1]["figures"]]


def test_the_json_says_where_and_with_what_it_was_measured(run: tuple[str, dict[str, Any]]) -> None:
    environment = run[1]["environment"]

    assert {"date", "processor", "cores", "python", "versions", "load"} <= set(environment)
    assert {"betterproto", "grpcio", "protobuf"} <= set(environment["versions"])


def test_in_every_round_another_contender_begins_and_the_first_samples_do_not_count() -> None:
    order: list[str] = []

    def sample(name: str) -> float:
        order.append(name)
        return float(len(order))

    taken = take_turns({"a": lambda: sample("a"), "b": lambda: sample("b")}, 3)

    assert order == ["a", "b", "a", "b", "b", "a", "a", "b"]
    assert taken == {"a": [3.0, 6.0, 7.0], "b": [4.0, 5.0, 8.0]}


def test_a_sample_uses_every_item_equally_often() -> None:
    used: list[int] = []

    assert per_item(used.append, [1, 2, 3], 0.001)() > 0
    assert used.count(1) == used.count(2) == used.count(3) > 1


@each_row(
    ("measure", "target", "ratio", "verdict"),
    [
        ("time", Target(2), 2.0, "met"),
        ("time", Target(2.1), 2.0, "short"),
        ("rate", Target(0.5), 0.5, "met"),
        ("share", Target(0.5, at_least=False), 0.5, "met"),
        ("share", Target(0.4, at_least=False), 0.5, "short"),
    ],
)
def test_a_figure_is_the_median_of_the_ratios_of_its_rounds(
    measure: Any, target: Target, ratio: float, verdict: str
) -> None:
    figure = compare(
        "name", "title", [1.0, 2.0, 30.0], [2.0, 4.0, 90.0], other_name="other", measure=measure, unit="µs", target=target
    )  # fmt: skip

    assert (figure.ours, figure.other, figure.value, figure.verdict) == (2.0, 4.0, ratio, verdict)
    assert "title" in table([figure])
