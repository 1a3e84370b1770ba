"""Help texts are docstrings, also where the interpreter strips them (``python -OO``)."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, TypeVar

_Function = TypeVar("_Function", bound=Callable[..., Any])


def described(function: _Function) -> _Function:
    """Give a function its docstring back, from its source, when the interpreter has stripped it."""
    if sys.flags.optimize > 1 and not function.__doc__:
        import ast
        import inspect

        try:
            parsed = ast.parse(inspect.getsource(function)).body[0]
        except OSError:  # no source is installed
            return function
        if isinstance(parsed, ast.FunctionDef | ast.AsyncFunctionDef):
            function.__doc__ = ast.get_docstring(parsed)
    return function
