"""The text of a google.protobuf.FieldMask in JSON: its paths in lowerCamelCase, joined with commas."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

_AFTER_UNDERSCORE: Final = re.compile("_([a-z])")
_CAPITAL: Final = re.compile("[A-Z]")


def text_of(paths: Sequence[str]) -> str:
    """Return the text of some paths.

    Raises:
        ValueError: The text would be read as other paths, or not at all.
    """
    text = ",".join(_AFTER_UNDERSCORE.sub(lambda found: found[1].upper(), path) for path in paths)
    if "_" in text or paths_of(text) != list(paths):
        raise ValueError(f"the paths {', '.join(paths)!r} have no JSON form: it would be read as other paths")
    return text


def paths_of(text: str) -> list[str]:
    """Return the paths of a text.

    Raises:
        ValueError: It contains an underscore.
    """
    if "_" in text:
        raise ValueError(f"expected paths in lowerCamelCase, not {text!r:.60}")
    return [_CAPITAL.sub(lambda found: f"_{found[0].lower()}", path) for path in text.split(",")] if text else []
