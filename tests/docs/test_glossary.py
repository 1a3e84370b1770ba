"""The glossary: every name of the API in it exists, its words are in order, and the pages lead to it."""

from __future__ import annotations

import re
from typing import Any

import pytest

import mxgateway
from mxgateway import contract, proto, status
from tests.docs.pages import ROOT, text_of

GLOSSARY = ROOT / "docs" / "glossary.md"
MODULES = {"contract": contract, "proto": proto, "status": status}
PLACES = re.findall(r"API:(.*?)(?=^- |^#|\Z)", text_of(GLOSSARY), re.MULTILINE | re.DOTALL)
ARGUMENTS = {"after_worker_sequence", "correlation_id", "verifier_user_id"}
"""Named there as arguments of methods, and not as names of their own."""
WORDS = (
    "galaxy", "object", "attribute", "tag", "area", "template", "deploy", "security classification",
    "register", "server handle", "item handle", "advise", "supervisory advise", "suspend", "activate", "buffered item", "bulk",
    "user id", "secured write", "verified write", "in doubt", "sparse array",
    "quality", "source time", "hresult", "mxstatus", "category", "source", "detail",
    "ondatachange", "onwritecomplete", "operationcomplete", "onbuffereddatachange", "worker sequence", "replay", "gap",
    "session", "worker", "lease", "scope", "contract", "alarm", "transition", "severity",
)  # fmt: skip


def names_of_the_api() -> list[str]:
    """Return the names that stand behind `API:`."""
    return sorted({name for place in PLACES for name in re.findall(r"`(\w+(?:\.\w+)*)`", place)} - ARGUMENTS)


def given(owner: type) -> set[str]:
    """Return the names that a class has as fields, or whose `__init__` gives them to an instance."""
    makers = [vars(each).get("__init__") for each in owner.__mro__]
    stored = {name for maker in makers if (code := getattr(maker, "__code__", None)) for name in code.co_names}
    return {*getattr(owner, "__dataclass_fields__", {}), *(stored if issubclass(owner, Exception) else ())}


def exists(name: str) -> bool:
    """Tell whether a name leads from `mxgateway` to something."""
    first, *rest = name.split(".")
    place: Any = MODULES.get(first) or getattr(mxgateway, first, None)
    for part in rest:
        if isinstance(place, type) and part in given(place):
            return True
        place = getattr(place, part, None)
    return place is not None


def test_every_name_of_the_api_exists() -> None:
    assert [name for name in names_of_the_api() if not exists(name)] == []
    assert len(names_of_the_api()) > 80


def test_every_word_of_mxaccess_is_explained() -> None:
    explained = text_of(GLOSSARY).lower()
    assert [word for word in WORDS if f"**{word}**" not in explained] == []


@pytest.mark.parametrize("page", ["README.md", "docs/library.md"])
def test_the_pages_lead_to_the_glossary(page: str) -> None:
    assert "glossary.md)" in text_of(ROOT / page)
