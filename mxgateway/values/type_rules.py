"""Which Python types a data type of MXAccess accepts, and which kind carries them."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from mxgateway.errors import MxGatewayInvalidRequestError
from mxgateway.values import kinds
from mxgateway.values.kinds import INT32, INT64, Family, Kind, Plain, T, Unfit, family_of


class Rule(NamedTuple):
    """Which values are accepted, and which kind carries them."""

    asked: str
    """The data type by enum name, as used in error texts; empty if the value's own type decides."""
    kinds: Mapping[Family, Kind]
    """The kind per family of Python types."""
    hint: str
    """What to pass instead of a value of another family."""
    widens: bool = False
    """Whole numbers beyond 32 bits use INT64."""


INFERRED: Final = Rule(
    "",
    {
        "bool": kinds.BOOL,
        "int": INT32,
        "float": kinds.DOUBLE,
        "str": kinds.STRING,
        "datetime": kinds.TIME,
        "timedelta": kinds.ELAPSED,
        "bytes": kinds.RAW,
    },
    "pass values of one type",
    widens=True,
)
"""The rule if no data type is requested: the value's own Python type decides."""

_TEXT: Final[Mapping[Family, Kind]] = {"str": kinds.STRING}
_OPAQUE: Final[Mapping[Family, Kind]] = {"bytes": kinds.RAW}
_ORDINAL: Final[Mapping[Family, Kind]] = {"int": INT32}
_ENUM: Final[Mapping[Family, Kind]] = {"int": INT32, "str": kinds.STRING}
_OPAQUE_HINT: Final = "pass bytes, or a proto.MxValue that you built"
_ENUM_HINT: Final = "pass the ordinal as an int, or the name as a str"
_ELAPSED: Final[Mapping[Family, Kind]] = {"timedelta": kinds.ELAPSED, "float": kinds.ELAPSED, "int": kinds.ELAPSED}

DATA_TYPES: Final[Mapping[str, Rule]] = {
    rule.asked: rule
    for rule in (
        Rule("UNKNOWN", _OPAQUE, _OPAQUE_HINT),
        Rule("BOOLEAN", {"bool": kinds.BOOL}, "pass True or False"),
        Rule("INTEGER", {"int": INT32}, "pass an int", widens=True),
        Rule("FLOAT", {"float": kinds.FLOAT, "int": kinds.FLOAT}, "pass a float or an int"),
        Rule("DOUBLE", {"float": kinds.DOUBLE, "int": kinds.DOUBLE}, "pass a float or an int"),
        Rule("STRING", _TEXT, "pass a str"),
        Rule("TIME", {"datetime": kinds.TIME}, "pass a datetime with a time zone"),
        Rule("ELAPSED_TIME", _ELAPSED, "pass a timedelta, or a number of seconds"),
        Rule("REFERENCE_TYPE", _TEXT, "pass the reference as a str"),
        Rule("STATUS_TYPE", _OPAQUE, _OPAQUE_HINT),
        Rule("ENUM", _ENUM, _ENUM_HINT),
        Rule("SECURITY_CLASSIFICATION_ENUM", _ORDINAL, "pass the ordinal as an int"),
        Rule("DATA_QUALITY_TYPE", _ORDINAL, "pass the quality as an int"),
        Rule("QUALIFIED_ENUM", _ENUM, _ENUM_HINT),
        Rule("QUALIFIED_STRUCT", _OPAQUE, _OPAQUE_HINT),
        Rule("INTERNATIONALIZED_STRING", _TEXT, "pass a str"),
        Rule("BIG_STRING", _TEXT, "pass a str"),
    )
}
"""The rule per data type, by enum name. NO_DATA is not here: only None is of that type."""


# --------------------------------------------------------------------------------------------------------------------
# Fitting


def fit_value(value: object, rule: Rule, place: str) -> tuple[Kind, Plain]:
    """Return the kind for one scalar, and the scalar as the kind holds it; `place` is its name in error texts.

    Raises:
        MxGatewayInvalidRequestError: The value's type is not accepted, or it is out of range.
    """
    try:
        kind = _kind_of(value, rule)
        if kind is INT32 and rule.widens and not _fits_int32(value):
            kind = INT64
        return kind, kind.fit(value)
    except Unfit as unfit:
        refused = refusal(place, unfit.what, unfit.hint)
    raise refused  # without a context, whose frames hold the value


def fit_values(values: Sequence[object], rule: Rule, place: Callable[[int], str]) -> tuple[Kind, list[Plain]]:
    """Return the one kind for all values, and the values as the kind holds them.

    Args:
        values: One value or more.
        rule: What is accepted.
        place: Returns the name in error texts of the value at an index.

    Raises:
        MxGatewayInvalidRequestError: A value's type is not accepted or differs from the first, or it is out of range.
    """
    found = _each(values, lambda value: _kind_of(value, rule), place)
    kind = found[0]
    for index, other in enumerate(found):
        if other is not kind:
            raise _mixed(family_of(values[index]), place(index), family_of(values[0]), place(0))
    if kind is INT32 and rule.widens and not all(map(_fits_int32, values)):
        kind = INT64
    return kind, _each(values, kind.fit, place)


def _each(values: Sequence[object], check: Callable[[Any], T], place: Callable[[int], str]) -> list[T]:
    """Return the results of `check` for all values; an error names the value."""
    checked: list[T] = []
    try:
        for value in values:
            checked.append(check(value))
    except Unfit as unfit:
        refused = refusal(place(len(checked)), unfit.what, unfit.hint)
    else:
        return checked
    raise refused


def _fits_int32(value: Any) -> bool:
    return kinds.INT32_MIN <= operator.index(value) <= kinds.INT32_MAX


def _kind_of(value: object, rule: Rule) -> Kind:
    family = family_of(value)
    kind = rule.kinds.get(family)
    if kind is None:
        raise Unfit(f"is of type {family}, but {rule.asked} was requested", rule.hint)
    return kind


def _mixed(family: Family, place: str, first: Family, first_place: str) -> MxGatewayInvalidRequestError:
    numbers = {family, first} == {"int", "float"}
    hint = "pass floats only, or request DOUBLE" if numbers else "pass values of one type"
    return refusal(place, f"is of type {family}, but {first_place} is of type {first}, and an array has one type", hint)


def refusal(place: str, what: str, hint: str) -> MxGatewayInvalidRequestError:
    """Return the error for a value that is refused before anything is sent."""
    return MxGatewayInvalidRequestError(f"{place} {what}", hint=hint, phase="request")
