"""Files of profiles with awkward names."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path


def profiles_file(file: Path, names: Iterable[str]) -> Path:
    """Write a file in which each profile says `plaintext`."""
    # What JSON escapes, TOML's basic strings escape in the same way.
    file.write_text("".join(f"[profile.{json.dumps(name)}]\nplaintext = true\n" for name in names), encoding="utf-8")
    return file
