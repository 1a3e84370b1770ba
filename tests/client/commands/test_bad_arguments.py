"""Every argument of every method of a session: what is wrong is refused in one clear line, and nothing is sent."""

from __future__ import annotations

import inspect
import traceback
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from mxgateway import MxGatewayError, MxGatewayInvalidRequestError, MxGatewayTransportError, Session, proto, to_mx_value
from mxgateway.simulator import SimulatedGateway
from tests.client.bad_values import (
    ANYTHING_GOES,
    BY_NAME,
    ELSEWHERE,
    GOOD,
    GOOD_ELSEWHERE,
    MANY,
    NAIVE,
    TOO_LARGE,
    UNSENDABLE,
    Bad,
)
from tests.client.command_rows import BULKS, ROWS
from tests.client.support import commands, requests
from tests.rows import each_row

SEND_NOTHING = {"own", "disown", "subscribe"}
"""Methods that send nothing by themselves; the arguments of subscriptions have tests of their own."""

METHODS = [
    name
    for name, _ in inspect.getmembers(Session, inspect.isfunction)
    if not name.startswith("_") and name not in SEND_NOTHING
]


def arguments(method: str) -> dict[str, inspect.Parameter]:
    parameters = dict(inspect.signature(getattr(Session, method)).parameters)
    del parameters["self"]
    return parameters


def good(method: str) -> dict[str, Any]:
    """Return right arguments, as few as a method can be called with."""
    return {
        name: GOOD_ELSEWHERE.get((method, name), GOOD.get(name))
        for name, parameter in arguments(method).items()
        if parameter.default is parameter.empty
    }


def bad(method: str) -> Iterator[tuple[str, Bad]]:
    for name in arguments(method):
        if (method, name) not in ANYTHING_GOES:
            for case in ELSEWHERE.get((method, name), BY_NAME[name])(name):
                yield name, case


async def call(session: Session, method: str, **keywords: Any) -> Any:
    outcome = getattr(session, method)(**keywords)
    return await outcome if inspect.isawaitable(outcome) else outcome


@each_row("method", METHODS)
def test_every_argument_has_its_wrong_values(method: str) -> None:
    for name, parameter in arguments(method).items():
        assert (method, name) in ANYTHING_GOES or (method, name) in ELSEWHERE or name in BY_NAME, name
        if parameter.default is parameter.empty:
            assert (method, name) in GOOD_ELSEWHERE or name in GOOD, name


def test_nothing_stands_here_for_an_argument_that_no_method_has() -> None:
    pairs = {(method, name) for method in METHODS for name in arguments(method)}
    assert {name for _, name in pairs} == set(BY_NAME) | {name for _, name in ANYTHING_GOES}
    assert pairs >= set(ELSEWHERE) | ANYTHING_GOES | set(GOOD_ELSEWHERE)


@pytest.mark.parametrize("method", METHODS)
async def test_the_right_arguments_are_sent(gateway: SimulatedGateway, session: Session, method: str) -> None:
    if method == "stream_events":
        async with session.stream_events():
            await session.ping()  # answered behind it
    else:
        (outcome,) = [await outcome_of(session, method, good(method))]
        assert not isinstance(outcome, MxGatewayInvalidRequestError)
    assert len(gateway.received) > (2 if method == "stream_events" else 1)


async def outcome_of(session: Session, method: str, keywords: dict[str, Any]) -> Any:
    try:
        return await call(session, method, **keywords)
    except MxGatewayError as error:
        return error


@each_row("method", METHODS)
async def test_a_wrong_argument_is_refused_in_one_line_and_nothing_is_sent(
    gateway: SimulatedGateway, session: Session, method: str
) -> None:
    before = len(gateway.received)
    complaints = []
    for name, case in bad(method):
        try:
            await call(session, method, **{**good(method), name: case.value})
        except MxGatewayInvalidRequestError as error:
            wrong = flaws(error, case.words or name)
            outcome = f"{error}"[:300]
        except Exception as error:  # noqa: BLE001 - whatever it is, the complaint names it
            wrong, outcome = ["another error"], f"{type(error).__name__}: {error}"[:300]
        else:
            wrong, outcome = ["no error"], ""
        if len(gateway.received) != before:
            wrong.append("something was sent")
            before = len(gateway.received)
        complaints += [f"{name}, {case.name}: {', '.join(wrong)}: {outcome}"] if wrong else []
    assert not complaints, "\n".join(complaints)
    await session.ping()
    assert len(gateway.received) == before + 1


def flaws(error: MxGatewayInvalidRequestError, words: str) -> list[str]:
    """Return what a refusal does not do as it should."""
    text = str(error)
    checks = {
        "does not name it": words in text,
        "more than one line": "\n" not in text,
        "too long": len(text) < 600,
        "no hint": bool(error.hint) and text.endswith(error.hint),
        "not before sending": error.phase == "request" and error.grpc_status is None and not error.retryable,
        "no ValueError": isinstance(error, ValueError),
    }
    return [name for name, holds in checks.items() if not holds]


# -- entry by entry

WRITE_BULKS = ["write_bulk", "write2_bulk", "write_secured_bulk", "write_secured2_bulk"]
LATE = MANY - 1
WRONG_ENTRIES: dict[str, tuple[Callable[[int], dict[str, Any]], str]] = {
    "no value of any type": (lambda last: {"values": [5] * last + [object()]}, "values[1000] is of type object"),
    "a naive time as value": (lambda last: {"values": [5] * last + [NAIVE]}, "values[1000]"),
    "a value of another type than was asked for": (
        lambda last: {"values": [5] * last + ["a"], "data_type": proto.MxDataType.INTEGER},
        "values[1000] is of type str, but INTEGER was requested",
    ),
    "a message that cannot be encoded": (lambda last: {"values": [5] * last + [UNSENDABLE]}, "values[1000] cannot be"),
    "17 MiB": (lambda last: {"values": [5] * last + ["x" * TOO_LARGE]}, "values[1000] takes"),
    "the handle 0": (lambda last: {"item_handles": [*range(1, last + 1), 0]}, "item_handles[1000] is 0"),
    "one value too few": (lambda last: {"values": [5] * last}, "values has 1000 values for 1001 entries"),
}


@each_row("wrong", WRONG_ENTRIES)
@each_row("method", WRITE_BULKS)
async def test_the_last_of_many_entries_is_refused_before_the_first_is_sent(
    gateway: SimulatedGateway, session: Session, method: str, wrong: str
) -> None:
    make, words = WRONG_ENTRIES[wrong]
    many = {"item_handles": range(1, MANY + 1), "values": [5] * MANY}
    with pytest.raises(MxGatewayInvalidRequestError) as caught:
        await call(session, method, **{**good(method), **many, **make(LATE)})

    assert not flaws(caught.value, words)
    assert not commands(gateway)


@each_row("name", ["timestamps", "current_user_id", "verifier_user_id"])
async def test_what_goes_with_the_last_of_many_entries_is_refused_before_the_first_is_sent(
    gateway: SimulatedGateway, session: Session, name: str
) -> None:
    many = {"item_handles": range(1, MANY + 1), "values": [5] * MANY}
    right = GOOD.get(name, 1)
    wrong = {"timestamps": NAIVE}.get(name, 0)
    with pytest.raises(MxGatewayInvalidRequestError) as caught:
        await call(
            session, "write_secured2_bulk", **{**good("write_secured2_bulk"), **many, name: [right] * LATE + [wrong]}
        )

    assert not flaws(caught.value, f"{name}[1000] is")
    assert not commands(gateway)


# -- what is a list all the same


class Numbers:
    """A column of numbers as numpy has them: iterable, with a length, of no truth value, and of numbers that are no int."""

    def __init__(self, *numbers: int) -> None:
        self.numbers = numbers

    def __len__(self) -> int:
        return len(self.numbers)

    def __iter__(self) -> Iterator[Number]:
        return map(Number, self.numbers)

    def __bool__(self) -> bool:
        raise ValueError("the truth value of an array is ambiguous")


class Number:
    """A whole number that is no int."""

    def __init__(self, number: int) -> None:
        self.number = number

    def __index__(self) -> int:
        return self.number


class Characters:
    """Iterable by index alone, as Python's oldest protocol allows."""

    def __getitem__(self, index: int) -> str:
        return ["A.B", "C.D"][index]


ITERABLES: dict[str, tuple[Callable[[], Any], list[int]]] = {
    "a tuple": (lambda: (7, 5), [7, 5]),
    "a generator": (lambda: (handle for handle in (7, 5)), [7, 5]),
    "a set": (lambda: {5, 7}, list({5, 7})),
    "the keys of a dict": (lambda: {7: "a", 5: "b"}.keys(), [7, 5]),
    "the values of a dict": (lambda: {"a": 7, "b": 5}.values(), [7, 5]),
    "a dict, of which the keys count": (lambda: {7: "a", 5: "b"}, [7, 5]),
    "a map": (lambda: map(int, "75"), [7, 5]),
    "a range": (lambda: range(5, 7), [5, 6]),
    "a column of numbers": (lambda: Numbers(7, 5), [7, 5]),
}


@pytest.mark.parametrize("name", ITERABLES)
async def test_any_iterable_is_a_list_of_handles(gateway: SimulatedGateway, session: Session, name: str) -> None:
    make, handles = ITERABLES[name]
    await session.advise_item_bulk(Number(1), make())  # type: ignore[arg-type]
    await session.write_bulk(1, make(), map(str, handles), user_id=Numbers(3, 4))  # type: ignore[arg-type]

    advised, written = [request.command for request in commands(gateway)]
    assert advised.advise_item_bulk == proto.AdviseItemBulkCommand(1, handles)
    assert written.write_bulk.entries == [
        proto.WriteBulkEntry(handle, to_mx_value(str(handle)), user)
        for handle, user in zip(handles, (3, 4), strict=True)
    ]
    assert all(type(handle) is int for handle in advised.advise_item_bulk.item_handles)


@pytest.mark.parametrize("method", ["add_item_bulk", "subscribe_bulk", "read_bulk", "read"])
async def test_any_iterable_is_a_list_of_tags(gateway: SimulatedGateway, session: Session, method: str) -> None:
    name = "tags" if method == "read" else "tag_addresses"
    tags = {"A.B": 1, "C.D": 2}
    for iterable in (tags, tags.keys(), iter(tags), (tag for tag in tags), Characters()):
        await call(session, method, **{**good(method), name: iterable})

    sent = [getattr(request.command, str(request.command.kind.name).lower()) for request in commands(gateway)]
    assert [body.tag_addresses for body in sent if hasattr(body, "tag_addresses")] == [["A.B", "C.D"]] * 5


async def test_an_error_of_the_callers_own_generator_is_left_as_it_is(
    gateway: SimulatedGateway, session: Session
) -> None:
    with pytest.raises(TypeError, match="has no len"):
        await session.add_item_bulk(1, (str(len(tag)) for tag in [5]))  # type: ignore[arg-type]
    assert not commands(gateway)


async def test_numbers_that_are_no_int_are_handles_and_slots(gateway: SimulatedGateway, session: Session) -> None:
    keywords: dict[str, Any] = {"server_handle": Number(1), "item_handle": Number(2)}
    with pytest.raises(MxGatewayError, match="MXAccess refused"):
        await session.write_array_elements(
            **keywords,
            element_data_type=proto.MxDataType.INTEGER,
            total_length=Number(3),  # type: ignore[arg-type]
            elements={Number(2): 5},  # type: ignore[dict-item]
        )

    (request,) = commands(gateway)
    sparse = request.command.write.value.sparse_array_value
    assert (sparse.total_length, sparse.elements[0].index) == (3, 2)


def test_the_lists_of_all_bulks_are_among_the_arguments() -> None:
    lists = {"item_handles", "tag_addresses"}
    assert all(lists & set(arguments(ROWS[kind].asked.method)) for kind in BULKS)


# -- a refusal changes nothing


async def test_a_close_that_is_refused_has_not_closed_the_session(gateway: SimulatedGateway, session: Session) -> None:
    for keywords in ({"timeout": -1}, {"correlation_id": "\0"}):
        with pytest.raises(MxGatewayInvalidRequestError):
            await session.close(**keywords)
    assert not session.closed
    await session.ping()

    assert (await session.close()).final_state == proto.SessionState.CLOSED
    assert len(requests(gateway, "CloseSession")) == 1


# -- the password


class Given:
    """Where a test keeps a password, so that its own variables do not show it."""

    def __init__(self, password: str) -> None:
        self.password = password

    def __repr__(self) -> str:
        return "<a password>"


HIDDEN = "0pen-sesame"
PASSWORDS = {
    "a NUL character": Given(f"{HIDDEN}\0"),
    "a lone surrogate": Given(f"{HIDDEN}\ud800"),
    "17 MiB": Given(HIDDEN + "x" * TOO_LARGE),
    "a wrong one": Given(HIDDEN),
}


@each_row("name", PASSWORDS)
async def test_a_password_is_not_shown_whatever_becomes_of_it(session: Session, name: str) -> None:
    server = await session.register("tests")
    given = PASSWORDS[name]
    for user in ("operator", "a\0b"):
        with pytest.raises(MxGatewayError) as caught:
            await session.authenticate_user(server, user, given.password)
        assert HIDDEN not in told(caught.value)


async def test_a_password_is_not_shown_when_there_is_no_gateway(gateway: SimulatedGateway, session: Session) -> None:
    server = await session.register("tests")
    await gateway.stop()
    with pytest.raises(MxGatewayTransportError) as caught:
        await session.authenticate_user(server, "operator", PASSWORDS["a wrong one"].password)
    await gateway.start()

    assert HIDDEN not in told(caught.value)


def told(error: BaseException) -> str:
    """Return everything that can be told of an error, with the variables of every frame."""
    formatted = traceback.TracebackException.from_exception(error, capture_locals=True)
    return "".join(formatted.format()) + repr(error) + repr(vars(error))
