"""What the schemas of the package say, for tests that walk through them."""

from __future__ import annotations

from typing import Any


def keys_of_behaviours(schema: dict[str, Any]) -> set[str]:
    """Return every key of any behaviour but its kind."""
    known = schema["$defs"]
    kinds = [known[each["$ref"].rpartition("/")[2]] for each in known["behaviour"]["oneOf"]]
    return {key for kind in kinds for key in kind["properties"]} - {"kind"}
