"""Values that are refused are nobody's to see but the caller's: they may be passwords that are written to tags."""

from __future__ import annotations

import functools
from collections.abc import Callable, Coroutine
from typing import Any, ParamSpec, TypeVar

from mxgateway.errors import MxGatewayInvalidRequestError

P = ParamSpec("P")
T = TypeVar("T")


def hides_refused_values(method: Callable[P, Coroutine[Any, Any, T]]) -> Callable[P, Coroutine[Any, Any, T]]:
    """Let no frame of a refusal's traceback hold the values that `method` was given; its text says which one was wrong and why."""

    @functools.wraps(method)
    async def call(*args: P.args, **kwargs: P.kwargs) -> T:
        refusal: Exception
        try:
            running = method(*args, **kwargs)
        except TypeError as error:  # it has no such arguments
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
            del refusal  # with its own traceback it would be a cycle

    return call
