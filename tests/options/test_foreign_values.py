"""Values of numpy and pandas as options: a number is taken, and anything else refused with its name, whatever its methods do."""

from __future__ import annotations

import dataclasses
import numbers
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from mxgateway import (
    ClientOptions,
    MxGatewayInvalidRequestError,
    OpenSessionOptions,
    RecoveryOptions,
    RetryOptions,
    SubscriptionOptions,
    TlsOptions,
)
from mxgateway.commands.session.opener import open_session_request
from tests.rows import each_row


class Ambiguous:
    """Like numpy's arrays and pandas' NA: comparisons return another such object, which is neither true nor false."""

    def _compare(self, _: object) -> Any:
        return self

    __eq__ = __ne__ = __lt__ = __le__ = __gt__ = __ge__ = _compare
    __hash__ = object.__hash__

    def __bool__(self) -> bool:
        raise ValueError("the truth value is ambiguous")

    def __repr__(self) -> str:
        return "<ambiguous>"


class Scalar:
    """Like a number of numpy that is no float: it counts as a real number."""

    def __init__(self, number: float, kind: str) -> None:
        self._number = number
        self.dtype = SimpleNamespace(kind=kind)

    def __float__(self) -> float:
        return self._number

    def __gt__(self, other: float) -> bool:
        return self._number > other

    def __ge__(self, other: float) -> bool:
        return self._number >= other

    def __lt__(self, other: float) -> bool:
        return self._number < other

    def __le__(self, other: float) -> bool:
        return self._number <= other


numbers.Real.register(Scalar)
FLOAT32, TIMEDELTA64 = Scalar(5.0, "f"), Scalar(5.0, "m")  # numpy registers both

WITHOUT_CHECK = {
    "tracer",  # any object with the methods of a Tracer
    "requested_backend", "client_session_name", "correlation_id", "command_timeout",  # of OpenSessionOptions: below
}  # fmt: skip
CLASSES: list[type[Any]] = [ClientOptions, TlsOptions, RecoveryOptions, RetryOptions, SubscriptionOptions]
FIELDS = [
    (cls, field.name, str(field.type))
    for cls in CLASSES
    for field in dataclasses.fields(cls)
    if field.name not in WITHOUT_CHECK or cls is SubscriptionOptions
]
SECONDS = [(cls, name) for cls, name, annotation in FIELDS if annotation in ("float", "float | None")]


@each_row(("cls", "name", "annotation"), FIELDS)
def test_what_has_no_truth_value_is_refused_by_every_option(cls: type[Any], name: str, annotation: str) -> None:
    for value in (Ambiguous(), object()):
        with pytest.raises(MxGatewayInvalidRequestError):
            cls(**{name: value})


@each_row(("cls", "name"), SECONDS)
def test_seconds_are_a_number_of_any_library_and_nothing_else(cls: type[Any], name: str) -> None:
    assert getattr(cls(**{name: FLOAT32}), name) is FLOAT32
    for value in (TIMEDELTA64, timedelta(seconds=5), "5", True, [5.0]):
        with pytest.raises(MxGatewayInvalidRequestError, match=f"{name} is"):
            cls(**{name: value})


def test_the_timeout_of_commands_is_a_number_of_any_library_or_a_timedelta() -> None:
    for value in (5, 5.0, timedelta(seconds=5), FLOAT32):
        options = OpenSessionOptions(command_timeout=value)  # type: ignore[arg-type]
        assert open_session_request(options).command_timeout == timedelta(seconds=5)
    for refused in (TIMEDELTA64, "5", True, Ambiguous(), float("nan"), 0):
        with pytest.raises(MxGatewayInvalidRequestError, match="command_timeout is"):
            open_session_request(OpenSessionOptions(command_timeout=refused))  # type: ignore[arg-type]


@each_row("name", ["requested_backend", "client_session_name", "correlation_id"])
def test_the_texts_of_a_session_are_texts(name: str) -> None:
    values: list[Any] = [Ambiguous(), object(), 5, b"x"]
    for value in values:
        with pytest.raises(MxGatewayInvalidRequestError, match=f"{name} is"):
            open_session_request(OpenSessionOptions(**{name: value}))
