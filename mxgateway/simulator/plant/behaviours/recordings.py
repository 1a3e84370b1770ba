"""Reads a recording of one tag: a CSV file of time, value and quality."""

from __future__ import annotations

import csv
import io
import math
from typing import Any, Final

from mxgateway.simulator.files import DescriptionError
from mxgateway.simulator.mxaccess.statuses import GOOD
from mxgateway.simulator.mxaccess.values import DataType, fits
from mxgateway.system.files import read_input

_LARGEST_FILE: Final = 64 * 1024 * 1024
_TRUTH: Final = {"true": True, "1": True, "false": False, "0": False}


def read_rows(path: str, data_type: DataType) -> list[tuple[float, Any, int]]:
    """Return the rows of a recording: seconds since its start, value and quality.

    Args:
        path: A CSV file of time in seconds, value and, if it is not good, quality; a first line ``time,…`` is skipped.
        data_type: The type of the values.

    Raises:
        DescriptionError: A row is wrong; the text names file and line.
        OSError: The file cannot be read, or is larger than 64 MiB.
    """
    rows: list[tuple[float, Any, int]] = []
    number = 0
    try:
        reader = csv.reader(io.StringIO(read_input(path, _LARGEST_FILE).decode("utf-8-sig"), newline=""), strict=True)
        for row in reader:
            number = reader.line_num
            if not row or (number == 1 and row[0].strip().casefold() == "time"):
                continue
            rows.append(_row(row, data_type))
            if not math.isfinite(rows[-1][0]) or rows[-1][0] < (rows[-2][0] if len(rows) > 1 else 0):
                raise ValueError("the times do not rise from 0")
    except (ValueError, OverflowError, csv.Error) as error:
        raise DescriptionError(f"{path}: line {max(number, 1)}: {error}") from None
    if not rows:
        raise DescriptionError(f"{path}: it has no rows")
    return rows


def _row(row: list[str], data_type: DataType) -> tuple[float, Any, int]:
    if not 2 <= len(row) <= 3:
        raise ValueError(f"a row has time, value and perhaps quality, not {len(row)} fields")
    quality = int(row[2]) if len(row) == 3 and row[2].strip() else GOOD
    if not 0 <= quality <= 255:
        raise ValueError(f"{quality} is no quality")
    default, text = data_type.traits.default, row[1]
    native: Any = text
    if isinstance(default, bool):
        native = _TRUTH.get(text.strip().casefold())
    elif isinstance(default, int | float):
        native = type(default)(text)
    if not fits(data_type, native):
        raise ValueError(f"{text[:40]!r} is no {data_type.name.lower()}")
    return float(row[0]), native, quality
