"""Named sets of connection options in a TOML file in the user's configuration directory; never a key or a password."""

from __future__ import annotations

import math
import os
import re
import tomllib
from collections.abc import Callable, Mapping
from typing import Any, Final

import click

import mxgateway
from mxgateway.system.files import own_file, refusal_text
from mxgateway.system.home_directory import expand_home
from mxgateway_cli.connecting import toml_text
from mxgateway_cli.connecting.default_profile import FILE_VARIABLE, KEY, profiles_path, with_default
from mxgateway_cli.connecting.precedence import AppliedProfile, Choices, Rank
from mxgateway_cli.terminal.exit_codes import CommandFailure, ExitCode
from mxgateway_cli.terminal.text import clean

_TABLE: Final = "profile"
_LIMIT: Final = 1024 * 1024
"""Bytes of the file; a larger file is not one of profiles, or is an endless device."""
_LONGEST_NAME: Final = 64
_TYPES: Final = {
    "endpoint": "text", "plaintext": "flag", "tls": "flag", "ca-file": "file", "require-certificate-validation": "flag",
    "server-name-override": "text", "authority": "text", "pin": "text", "known-hosts": "file", "client-cert": "file",
    "client-key": "file", "proxy": "text", "api-key-env": "text", "api-key-file": "file", "contract": "file",
    "timeout": "seconds", "wait-for-gateway": "seconds",
}  # fmt: skip
OPTIONS: Final = tuple(_TYPES)
"""The options that a profile can hold, in display order."""

NO_KEY: Final = "a profile cannot hold a key: name the variable or file that does, with api-key-env or api-key-file"
_NO_PASSWORD: Final = "a profile cannot hold a password: use {0}"  # noqa: S105 - not a password
_SECRETS: Final = {
    "api-key": NO_KEY,
    "client-key-password": _NO_PASSWORD.format("the variable MXGATEWAY_CLIENT_KEY_PASSWORD"),
}
NO_PROXY_PASSWORD: Final = _NO_PASSWORD.format("the variable MXGATEWAY_PROXY, with the whole URL")


def is_file(key: str, value: Any) -> bool:
    """Return whether an option's value is a file path."""
    return _TYPES.get(key) == "file" and value not in ((os.devnull, "auto") if key == "contract" else (os.devnull,))


def _parameter(key: str) -> str:
    return key.replace("-", "_")


class ProfileError(CommandFailure):
    """A profile, or the file of profiles, cannot be used."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message, code=ExitCode.USAGE, hint=hint)


class Config:
    """The content of the file of profiles.

    Raises:
        ProfileError: It is not valid TOML, or holds something other than profiles.
    """

    def __init__(self, file: str, text: str = "") -> None:
        self.file = file
        self._text = text
        try:
            data = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise self._toml_error(str(error)) from None
        except (ValueError, RecursionError):
            raise ProfileError(f"{file}: not valid TOML: a number or its nesting is too large") from None
        for name in data:
            if name not in (_TABLE, KEY):
                raise self._error((name,), f"{name!r} is unknown; profiles are tables such as [{_TABLE}.plant]")
        tables = data.get(_TABLE, {})
        if not isinstance(tables, dict):
            raise self._error((_TABLE,), f"{_TABLE!r} is not a table; write [{_TABLE}.NAME] above a profile's options")
        self._tables: dict[str, dict[str, Any]] = tables
        for name, table in tables.items():
            self._check(name, table)
        self.default: str | None = data.get(KEY)
        """The name of the default profile, which may not exist any more; None if there is none."""
        if self.default is not None and (not isinstance(self.default, str) or name_error(self.default)):
            raise self._error((KEY,), f"{KEY!r} is not the name of a profile")

    @property
    def names(self) -> list[str]:
        """The profiles' names in file order."""
        return list(self._tables)

    def options(self, name: str) -> dict[str, Any]:
        """Return a profile's options in display order; empty if there is no such profile."""
        table = self._tables.get(name, {})
        return {key: table[key] for key in OPTIONS if key in table}

    def profile(self, name: str) -> AppliedProfile:
        """Return a profile.

        Raises:
            ProfileError: There is no such profile.
        """
        if name not in self._tables:
            known = ", ".join(map(repr, self.names)) or "none"
            raise ProfileError(
                f"there is no profile {name!r} in {self.file} (known: {known})",
                hint="'mxgw-py profile set' creates a profile, 'mxgw-py profile list' lists them",
            )
        parameters = {_parameter(key): self._used(key, value) for key, value in self.options(name).items()}
        return AppliedProfile(
            name, self.file, parameters, lambda key, why: self._option_error(name, key.replace("_", "-"), why)
        )

    def _used(self, key: str, value: Any) -> Any:
        """Return a value as a command uses it; a relative path is resolved against the file's directory."""
        if is_file(key, value):
            return os.path.join(os.path.dirname(self.file), expand_home(value))
        return [value] if key == "pin" and isinstance(value, str) else value

    def default_profile(self) -> AppliedProfile:
        """Return the default profile.

        Raises:
            ProfileError: It does not exist.
        """
        if self.default not in self._tables:
            raise ProfileError(
                f"{self.file}: the default profile {self.default!r} does not exist",
                hint="name another one: mxgw-py profile use NAME, or none: mxgw-py profile use --none",
            )
        return self.profile(self.default)

    def use(self, name: str | None) -> None:
        """Make a profile the default, or none, and write the file atomically.

        Raises:
            ProfileError: There is no such profile.
            CommandFailure: The file cannot be written.
        """
        if name is not None:
            self.profile(name)
        self._replace(with_default(self._text, name), name)

    def _replace(self, text: str, default: str | None) -> None:
        """Replace the file atomically if its new text can be read back with its default profile."""
        if Config(self.file, text).default != default:
            raise ProfileError(f"{self.file}: the default profile cannot be set: set {KEY} in the first line by hand")
        try:
            with own_file(self.file, make=True) as place:  # a symbolic link to it stays a link
                place.replace(text.replace("\n", os.linesep).encode())
        except (OSError, UnicodeEncodeError) as error:
            why = refusal_text(error) if isinstance(error, OSError) else "a value cannot be written as UTF-8"
            raise CommandFailure(f"the profiles cannot be written to {self.file}: {why}") from None

    def write(self, name: str, options: Mapping[str, Any] | None) -> None:
        """Change one profile and write the file atomically; without new options it is removed.

        Raises:
            ProfileError: The profile could not be read back.
            CommandFailure: The file cannot be written.
        """
        text = toml_text.with_table(self._text, (_TABLE, name), options)
        is_default = options is None and name == self.default
        self._replace(with_default(text, None) if is_default else text, None if is_default else self.default)

    def _option_error(self, name: str, key: str, why: str) -> ProfileError:
        return self._error((_TABLE, name, key), f"{key!r} in the profile {name!r}: {why}")

    def _check(self, name: str, table: Any) -> None:
        if why := name_error(name):
            raise self._error((_TABLE, name), why)
        if not isinstance(table, dict):
            raise self._error((_TABLE, name), f"the profile {name!r} is not a table; write [{_TABLE}.{name}]")
        for key, value in table.items():
            if why := value_error(key, value):
                raise self._option_error(name, key, why)
        if why := _contradiction(table):
            raise self._error((_TABLE, name), f"in the profile {name!r} {why}")

    def _error(self, path: tuple[str, ...], why: str) -> ProfileError:
        return ProfileError(f"{self.file}, line {toml_text.line_of(self._text, path)}: {why}")

    def _toml_error(self, why: str) -> ProfileError:
        place = re.search(r" \(at (?:line (\d+), column \d+|end of document)\)", why)
        line = int(place[1]) if place and place[1] else self._text.rstrip("\n").count("\n") + 1
        reason = why.replace(place[0], "") if place else why
        return ProfileError(f"{self.file}, line {line}: not valid TOML: {clean(reason)}")


def default_file() -> str:
    """Return the path of the file of profiles.

    Raises:
        ProfileError: There is no home directory, or the variable that names the file is empty.
    """
    try:
        path = profiles_path()
    except click.UsageError as error:
        raise ProfileError(error.message) from None
    if path is None:
        raise ProfileError("there is no home directory to keep profiles in", hint=f"set {FILE_VARIABLE} to a file")
    return path


def load() -> Config:
    """Read the file of profiles; a missing file holds none.

    Raises:
        ProfileError: It cannot be read, or is invalid.
    """
    file = default_file()
    try:
        with own_file(file) as place:
            data = place.read(_LIMIT)
    except FileNotFoundError:
        return Config(file)
    except OSError as error:
        raise ProfileError(f"the profiles in {file} cannot be read: {refusal_text(error)}") from None
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ProfileError(f"{file}, line {line}: not valid UTF-8") from None
    return Config(file, text.replace("\r\n", "\n"))


def name_error(name: str) -> str:
    """Return why a profile cannot have this name; empty if it can."""
    if not name.strip() or len(name) > _LONGEST_NAME or not name.isprintable() or name.startswith("-"):
        return f"{name!r} is not a valid profile name: up to {_LONGEST_NAME} printable characters, not starting with -"
    if mxgateway.redact(name) != name:
        return f"{name!r} contains a key or a password; a profile holds neither"
    return ""


def value_error(key: str, value: Any) -> str:
    """Return why a profile cannot hold an option, without showing its value; empty if it can."""
    if why := _SECRETS.get(key.replace("_", "-")):
        return why
    if "password" in key or "secret" in key:
        return _NO_PASSWORD.format("the environment")
    if key not in OPTIONS:
        import difflib

        near = difflib.get_close_matches(key, OPTIONS, n=1)
        return f"unknown option; {f'did you mean {near[0]!r}' if near else 'known options: ' + ', '.join(OPTIONS)}"
    if _TYPES[key] == "flag":
        return "" if isinstance(value, bool) else f"it is {_kind(value)}, not true or false"
    if _TYPES[key] == "seconds":
        if isinstance(value, bool) or not isinstance(value, int | float):
            return f"it is {_kind(value)}, not a number of seconds"
        return "" if 0 < value < math.inf else "it is not a positive number of seconds"
    if key == "pin" and isinstance(value, list):
        return next((why for entry in value if (why := _string_error("pin", entry))), "" if value else "it is empty")
    return _string_error(key, value)


def _kind(value: Any) -> str:
    names = {bool: "a boolean", str: "a string", int: "a number", float: "a number", list: "a list", dict: "a table"}
    return names.get(type(value), "a date or time")


def _string_error(key: str, value: Any) -> str:
    if not isinstance(value, str):
        return f"it is {_kind(value)}, not a string"
    if not value.strip():
        return "it is empty"
    if "\0" in value:
        return "it holds a NUL character"
    if _TYPES[key] != "file" and key != "api-key-env" and mxgateway.redact(value) != value:
        return NO_PROXY_PASSWORD if key == "proxy" else "it contains a key or a password; a profile holds neither"
    try:
        _CHECKS.get(key, str)(value)
    except (mxgateway.MxGatewayInvalidRequestError, ValueError) as error:
        return str(error)
    return ""


def _check_variable(name: str) -> None:
    """Reject a key given instead of the name of its variable."""
    if re.match(r"mxgw_[^_]*_", name) or not re.fullmatch(r"[^\s=]+", name):
        raise ValueError(f"it is not the name of a variable; {NO_KEY}")


_CHECKS: Final[Mapping[str, Callable[[str], object]]] = {
    "api-key-env": _check_variable,
    "authority": lambda text: mxgateway.ClientOptions(authority=text),
    "endpoint": lambda text: mxgateway.Endpoint.parse_all(text),
    "pin": lambda text: mxgateway.TlsOptions(pin=text),
    "proxy": lambda text: mxgateway.HttpProxy.parse(text),
    "server-name-override": lambda text: mxgateway.TlsOptions(server_name_override=text),
}


def _contradiction(table: Mapping[str, Any]) -> str:
    """Return which options of a profile exclude each other; empty if none do."""
    names = {_parameter(key): value for key, value in table.items()}
    try:
        Choices(names, dict.fromkeys(names, Rank.PROFILE)).resolve()
    except click.UsageError as error:
        return error.message
    return ""
