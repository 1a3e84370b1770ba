"""Whether the tags of a plant can follow from one another: all are there, of the right kinds, and none is its own input."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from mxgateway.simulator.plant.behaviours.derived import BehaviourError, Derived, Input, Shape

LONGEST_CHAIN: Final = 50
"""Most tags of which each follows from the one before."""


class DependenceError(ValueError):
    """A tag whose value cannot follow from other tags.

    Args:
        tag: The tag.
        attribute: Its attribute.
        key: The key that is wrong, as in a plant file.
        text: What is wrong.
    """

    def __init__(self, tag: str, attribute: Shape, key: str, text: str) -> None:
        super().__init__(f"{tag}: {text}")
        self.attribute = attribute
        self.key = key


def check_dependences(
    derived: Iterable[tuple[str, Shape, Sequence[tuple[str, Input] | None]]], *, strict: bool
) -> None:
    """Check that tags can follow from one another.

    Args:
        derived: Each tag whose attribute has a `Derived`: its reference, its attribute, and the tags that it depends
            on, each with its reference; None for one that does not exist.
        strict: Also refuse unknown tags, and values that do not go together.

    Raises:
        DependenceError: They cannot.
    """
    graph: dict[str, tuple[Shape, list[str]]] = {}
    for tag, own, inputs in derived:
        pattern = own.pattern
        assert isinstance(pattern, Derived)
        if strict:
            _check_inputs(tag, own, pattern, inputs)
        graph[tag] = (own, [each[0] for each in inputs if each is not None])
    lengths: dict[str, int] = {}
    for start in graph:
        _measure(start, graph, lengths)


def _check_inputs(tag: str, own: Shape, pattern: Derived, inputs: Sequence[tuple[str, Input] | None]) -> None:
    known = []
    for name, each in zip(pattern.inputs, inputs, strict=True):
        if each is None:
            raise DependenceError(tag, own, pattern.input_key, f"it depends on {name!r}, which the plant does not have")
        known.append(each[1])
    try:
        pattern.check_inputs(own, known)
    except BehaviourError as error:
        raise DependenceError(tag, own, error.key, error.text) from None


def _measure(start: str, graph: Mapping[str, tuple[Shape, list[str]]], lengths: dict[str, int]) -> None:
    """Enter the length of the chain behind a tag, and of those that it depends on."""
    way = {} if start in lengths else {start: iter(graph[start][1])}
    while way:
        at, rest = next(reversed(way.items()))
        nearest = next((each for each in rest if each in graph and each not in lengths), None)
        if nearest in way:
            circle = list(way)[list(way).index(nearest) :]
            raise _refused(nearest, graph, f"it depends on itself: {' → '.join((*circle, nearest))}")
        if nearest is not None:
            way[nearest] = iter(graph[nearest][1])
            continue
        lengths[at] = 1 + max((lengths.get(each, 0) for each in graph[at][1]), default=0)
        if lengths[at] > LONGEST_CHAIN:
            raise _refused(at, graph, f"it is at the end of a chain of more than {LONGEST_CHAIN} tags")
        del way[at]


def _refused(tag: str, graph: Mapping[str, tuple[Shape, list[str]]], text: str) -> DependenceError:
    own = graph[tag][0]
    assert isinstance(own.pattern, Derived)
    return DependenceError(tag, own, own.pattern.input_key, text)
