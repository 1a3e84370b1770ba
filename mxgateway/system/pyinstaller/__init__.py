"""Hooks for PyInstaller, which finds them by the entry point ``pyinstaller40``: frozen programs need no options for this package."""

from __future__ import annotations

from pathlib import Path


def hook_dirs() -> list[str]:
    """Return the folder with the hooks."""
    return [str(Path(__file__).parent)]
