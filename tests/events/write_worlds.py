"""What may be true of the writes of one item handle: every course of events that agrees with what was seen."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import combinations
from typing import NamedTuple


class World(NamedTuple):
    """One possible truth."""

    on_its_way: tuple[int, ...]
    """The writes whose completions will come, oldest first."""
    accepted: frozenset[int]
    """Those that MXAccess has accepted of the writes that are not answered."""


class Worlds:
    """All possible truths of one item handle, enumerated; a completion is its write's own when that is so in each of them."""

    def __init__(self) -> None:
        self._possible = {World((), frozenset())}

    # -- what happens

    def send(self, write: int) -> None:
        """Let a write be sent, which MXAccess may accept or not."""
        taken = {World((*each.on_its_way, write), each.accepted | {write}) for each in self._possible}
        self._possible |= taken

    def answer(self, write: int, *, accepted: bool) -> None:
        """Let it be told whether a write was accepted."""
        self._keep(each for each in self._possible if (write in each.accepted) is accepted)
        self.give_up(write)

    def give_up(self, write: int) -> None:
        """Let it stay unknown whether a write was accepted."""
        self._keep(World(each.on_its_way, each.accepted - {write}) for each in self._possible)

    def arrive(self) -> set[int]:
        """Let a completion come; return the writes that it may be of."""
        coming = [each for each in self._possible if each.on_its_way]
        self._keep(World(each.on_its_way[1:], each.accepted) for each in coming)
        return {each.on_its_way[0] for each in coming}

    def lose(self) -> None:
        """Let any of the completions be lost that are on their way."""
        self._keep(World(rest, each.accepted) for each in self._possible for rest in _parts(each.on_its_way))

    def _keep(self, worlds: Iterable[World]) -> None:
        self._possible = set(worlds)
        assert self._possible, "the test itself has done what cannot be"

    # -- what is known

    def may_be(self, write: int, *, accepted: bool) -> bool:
        """Tell whether a write that is not answered may have been accepted, or not."""
        return any((write in each.accepted) is accepted for each in self._possible)

    @property
    def most(self) -> int:
        """How many completions may come."""
        return max(len(each.on_its_way) for each in self._possible)

    @property
    def in_doubt(self) -> bool:
        """True when nobody could say of the next write which completion is its own."""
        return len({len(each.on_its_way) for each in self._possible}) > 1

    def places(self, write: int) -> set[int | None]:
        """Return the places at which the completion of a write may come; None stands for never."""
        return {each.on_its_way.index(write) if write in each.on_its_way else None for each in self._possible}


def _parts(writes: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
    for size in range(len(writes) + 1):
        yield from combinations(writes, size)
