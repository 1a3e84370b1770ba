"""What the values module refuses at run time, a type checker refuses before."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

# Each line stands alone; those marked `# wrong` must be reported, the others must not.
CALLS = """
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import IntEnum
from mxgateway import Timestamp, proto
from mxgateway.values import MxValueOutput, from_mx_value, to_mx_array, to_mx_sparse_array, to_mx_value
class Mode(IntEnum):
    AUTO = 1
moments: list[Timestamp] = []
modes: tuple[Mode, ...] = ()
to_mx_value(True)
to_mx_value(1)
to_mx_value(Mode.AUTO)
to_mx_value(1.5)
to_mx_value("a")
to_mx_value(b"a")
to_mx_value(None)
to_mx_value(datetime.now(UTC))
to_mx_value(timedelta(seconds=1))
to_mx_value([1, 2])
to_mx_value((1.5, 2.5))
to_mx_value(["a"])
to_mx_value(moments)
to_mx_value(modes)
to_mx_value([], data_type=proto.MxDataType.INTEGER)
to_mx_value(proto.MxValue())
to_mx_value(to_mx_array([1]))
to_mx_value(to_mx_sparse_array(proto.MxDataType.INTEGER, 3, {0: 1}))
value: MxValueOutput = from_mx_value(proto.MxValue())
to_mx_value(Decimal(1))  # wrong
to_mx_value(1j)  # wrong
to_mx_value(date(2026, 1, 1))  # wrong
to_mx_value({})  # wrong
to_mx_value({1, 2})  # wrong
to_mx_value([1, "a"])  # wrong
to_mx_value([1, None])  # wrong
to_mx_value([[1, 2]])  # wrong
to_mx_value(1, data_type="INTEGER")  # wrong
to_mx_value(1, proto.MxDataType.INTEGER)  # wrong
to_mx_array(1)  # wrong
to_mx_sparse_array(proto.MxDataType.INTEGER, 3, [1])  # wrong
from_mx_value(1)  # wrong
number: int = from_mx_value(proto.MxValue())  # wrong
"""


def test_wrong_calls_fail_type_checking_and_right_ones_pass(tmp_path: Path) -> None:
    script = tmp_path / "calls.py"
    script.write_text(CALLS.lstrip(), encoding="utf-8")
    # With the options of `make check`, whose cache then serves here and stays as it is.
    done = subprocess.run(
        [sys.executable, "-m", "mypy", str(script)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    reported = {int(line) for line in re.findall(r"calls\.py:(\d+): error", done.stdout)}
    wrong = {n for n, line in enumerate(CALLS.lstrip().splitlines(), start=1) if line.endswith("# wrong")}
    assert reported == wrong, done.stdout + done.stderr
