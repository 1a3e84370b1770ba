"""What is kept for tests is what was made from the same inputs, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import kept as module
from tests.kept import kept


def test_the_same_inputs_are_made_once_and_others_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CACHE", tmp_path / "cache")
    made = []

    def make(folder: Path) -> None:
        made.append(folder)
        (folder / "file").write_text(str(len(made)))

    first = kept("thing", [b"a", b"b"], make)
    again = kept("thing", [b"a", b"b"], make)
    others = [kept("thing", inputs, make) for inputs in ([b"ab"], [b"a", b"c"], [b"b", b"a"])] + [
        kept("other", [b"a", b"b"], make)
    ]

    assert first == again
    assert (first / "file").read_text() == "1"
    assert len({first, *others}) == 5
    assert [(each / "file").read_text() for each in others] == ["2", "3", "4", "5"]


def test_what_could_not_be_made_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CACHE", tmp_path / "cache")

    def fail(folder: Path) -> None:
        (folder / "half").write_text("")
        raise ValueError

    with pytest.raises(ValueError):  # noqa: PT011
        kept("thing", [b"a"], fail)

    assert list(kept("thing", [b"a"], lambda _: None).iterdir()) == []
