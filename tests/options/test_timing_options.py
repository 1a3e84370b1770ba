"""Keepalive and retries: what is accepted, what is refused in one clear line, and the defaults."""

import math
from typing import Any

import pytest

from mxgateway.errors import MxGatewayInvalidRequestError
from mxgateway.options import ClientOptions, RetryOptions
from tests.rows import each_row


def test_the_defaults_are_those_of_a_plant() -> None:
    options = ClientOptions()
    assert (options.keepalive_time, options.keepalive_timeout) == (30.0, 15.0)
    assert options.retry == RetryOptions(max_attempts=5, initial_backoff=0.1, max_backoff=2.0)
    assert options.tracer is None


def test_both_can_be_switched_off() -> None:
    options = ClientOptions(keepalive_time=None, retry=None)
    assert (options.keepalive_time, options.retry) == (None, None)


@each_row(
    ("name", "value"),
    [
        *[("keepalive_time", value) for value in (0, -1, math.nan)],
        *[("keepalive_timeout", value) for value in (0, -1.5, math.nan, None)],
    ],
)
def test_a_keepalive_that_is_no_time_is_refused(name: str, value: Any) -> None:
    with pytest.raises(MxGatewayInvalidRequestError, match=rf"{name} is {value}; give a positive number of seconds"):
        ClientOptions(**{name: value})


@each_row("name", ["initial_backoff", "max_backoff"])
@each_row("value", [0, -1, math.nan, math.inf, 3601])
def test_a_back_off_that_is_no_time_is_refused(name: str, value: Any) -> None:
    with pytest.raises(MxGatewayInvalidRequestError, match=rf"{name} is {value}; give seconds above 0 and up to 3600"):
        RetryOptions(**{name: value})


@each_row("value", [0, -1, 101, 2.5, math.nan, math.inf])
def test_a_number_of_attempts_that_is_none_is_refused(value: Any) -> None:
    with pytest.raises(MxGatewayInvalidRequestError, match=rf"max_attempts is {value}; give a number from 1 to 100"):
        RetryOptions(max_attempts=value)
