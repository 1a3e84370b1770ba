"""Keeps refused values out of tracebacks: they may be passwords to be written to tags."""

from __future__ import annotations

import functools
from collections.abc import Callable, Coroutine
from typing import Any, ParamSpec, TypeVar

from mxgateway.errors import MxGatewayInvalidRequestError

P = ParamSpec("P")
T = TypeVar("T")


def hides_refused_values(method: Callable[P, Coroutine[Any, Any, T]]) -> Callable[P, Coroutine[Any, Any, T]]:
    """Keep the arguments of `method` out of every frame of an error's traceback when it refuses them.

    The error's text still says which argument is wrong and why.
    """

    @functools.wraps(method)
    async def call(*args: P.args, **kwargs: P.kwargs) -> T:
        refusal: Exception
        try:
            running = method(*args, **kwargs)
        except TypeError as error:  # wrong arguments
            refusal = error.with_traceback(None)
            del args, kwargs  # a traceback may show local variables
        else:
            del args, kwargs
            try:
                return await running
            except MxGatewayInvalidRequestError as error:
                refusal = error.with_traceback(None)
            finally:
                del running
        try:
            raise refusal
        finally:
            del refusal  # else it would form a reference cycle with its traceback

    return call
