"""The `profile` commands, and `config`: connection options that are stored, and those in force."""

from __future__ import annotations

import os
from typing import Any, Final

import click

import mxgateway
from mxgateway_cli.connecting import profiles
from mxgateway_cli.connecting.in_force import Setting, settings_in_force
from mxgateway_cli.connecting.precedence import Choices, Rank, flag, flags
from mxgateway_cli.connecting.profile_option import profile_names
from mxgateway_cli.connecting.shared_options import CALL_TIMEOUT, CONNECTION_OPTIONS
from mxgateway_cli.declaring.local_command import local_command
from mxgateway_cli.help.arguments import argument
from mxgateway_cli.help.docstrings import described
from mxgateway_cli.help.groups import CommandGroup
from mxgateway_cli.help.sections import apply_options, option
from mxgateway_cli.running.app import App
from mxgateway_cli.terminal.stdout import plain

_NAME: Final = argument("name", "The profile's name.", metavar="NAME", shell_complete=profile_names)


@click.group(
    "profile",
    cls=CommandGroup,
    no_args_is_help=False,
    examples=(
        "mxgw-py profile set lab --endpoint localhost:5000 --plaintext",
        "mxgw-py profile list",
        "mxgw-py ping --profile plant",
    ),
)
@described
def profile() -> None:
    """Store connection options under a name.

    With --profile NAME, or the variable MXGATEWAY_PROFILE, a command uses a profile for the options that neither flags
    nor the environment set; without both it uses the default profile, if there is one (profile use). A profile never
    holds a key or a password: it names the variable or the file that does.
    """


@local_command(
    "set",
    _NAME,
    option("--unset", multiple=True, type=click.Choice(profiles.OPTIONS), metavar="OPTION",
           help="Remove this option, such as pin; may be repeated."),
    examples=(
        "mxgw-py profile set lab --endpoint localhost:5000 --plaintext",
        "mxgw-py profile set plant --timeout 5 --api-key-env PLANT_KEY",
        "mxgw-py profile set plant --unset plaintext",
    ),
)  # fmt: skip
def set_profile(app: App, name: str, unset: tuple[str, ...], **params: Any) -> None:
    """Write connection options to a profile.

    Other options stay as they are, except those that a new option excludes. File paths are stored as absolute paths.
    """
    if why := profiles.name_error(name):
        raise click.UsageError(why)
    given = {name: _stored(name, value) for name, value in flags(click.get_current_context(), params).items()}
    if not given and not unset:
        raise click.UsageError("No options to write: give some, such as --endpoint HOST:PORT.")
    config = profiles.load()
    kept = {key.replace("-", "_"): value for key, value in config.options(name).items() if key not in unset}
    ranks = {**dict.fromkeys(kept, Rank.PROFILE), **dict.fromkeys(given, Rank.FLAG)}
    choices = Choices({**kept, **given}, ranks)
    choices.resolve()
    if ineffective := [flag(key) for key in given if not choices.values[key]]:
        raise click.UsageError(
            f"{', '.join(ineffective)} has no effect in the profile {name!r}, which verifies the gateway; "
            "remove the verifying option with --unset first."
        )
    if dropped := [flag(key) for key in kept if not choices.values[key] and kept[key]]:
        app.warn(f"{', '.join(dropped)} was removed from the profile {name!r}: the new options exclude it")
    merged = {key: choices.values.get(key.replace("-", "_")) for key in profiles.OPTIONS}
    config.write(name, {key: value for key, value in merged.items() if value})
    _report(app, "profile-set", name, profiles.load())


@local_command("list", examples=("mxgw-py profile list", "mxgw-py profile list -o value"))
def list_profiles(app: App) -> None:
    """List the profiles."""
    config = profiles.load()
    if app.output.form in ("json", "jsonl"):
        found = [{"name": name, "options": config.options(name)} for name in config.names]
        document = {"operation": "profile-list", "file": config.file, "default": config.default, "profiles": found}
        app.output.document(document, value="profiles")
        return
    if not config.names:
        app.output.nothing("There are no profiles yet; 'mxgw-py profile set NAME --endpoint HOST:PORT' writes one.")
    rows = [
        (name, config.options(name).get("endpoint", ""), "(default)" if name == config.default else "")
        for name in config.names
    ]
    if app.output.form == "table":
        app.output.table(("profile", "endpoint", "note"), rows, headed=False)
        return
    for name in config.names:
        app.output.record({}, (), value=name)


@local_command("show", _NAME, examples=("mxgw-py profile show plant", "mxgw-py profile show plant --json"))
def show_profile(app: App, name: str) -> None:
    """Show a profile's options."""
    config = profiles.load()
    config.profile(name)
    _report(app, "profile-show", name, config)


@local_command("remove", _NAME, examples=("mxgw-py profile remove plant", "mxgw-py profile remove plant --json"))
def remove_profile(app: App, name: str) -> None:
    """Remove a profile."""
    config = profiles.load()
    config.profile(name)
    config.write(name, None)
    app.output.document({"operation": "profile-remove", "name": name, "file": config.file}, value="name")


@local_command(
    "use",
    argument("name", "The profile's name.", metavar="[NAME]", required=False, shell_complete=profile_names),
    option("--none", "nobody", is_flag=True, help="Have no default profile any more."),
    examples=("mxgw-py profile use plant", "mxgw-py profile use --none"),
)
def use_profile(app: App, name: str | None, nobody: bool) -> None:
    """Make a profile the default, for commands that name none."""
    if (name is None) != nobody:
        raise click.UsageError("Give the name of a profile, or --none.")
    config = profiles.load()
    config.use(name)
    app.output.document({"operation": "profile-use", "name": name, "file": config.file}, value="name")


def _report(app: App, operation: str, name: str, config: profiles.Config) -> None:
    options = config.options(name)
    if app.output.form == "table":
        app.output.pairs({"profile": name, "file": config.file, **options})
        return
    document = {"operation": operation, "name": name, "file": config.file, "options": options}
    app.output.document(document, value="name")


def _stored(name: str, value: Any) -> Any:
    """Return an option's value as a profile stores it; a key, a password, and what no command can use are refused."""
    key = name.replace("_", "-")
    if isinstance(value, mxgateway.HttpProxy) and value.credentials is not None:
        raise profiles.ProfileError(f"--{key}: {profiles.NO_PROXY_PASSWORD}")
    if isinstance(value, mxgateway.HttpProxy):
        value = str(value)
    elif isinstance(value, tuple):
        value = list(value) if len(value) > 1 else value[0]
    elif profiles.is_file(key, value):
        value = os.path.abspath(value)
    if why := profiles.value_error(key, value):
        raise profiles.ProfileError(f"--{key}: {why}")
    return value


def _options() -> list[click.Parameter]:
    """Return the connection options that a profile can hold; they do not read environment variables."""
    carrier = click.command("set")(apply_options(lambda: None, (*CONNECTION_OPTIONS, CALL_TIMEOUT)))
    known = [each for each in carrier.params if isinstance(each, click.Option) and each.name in _PARAMETERS]
    for each in known:
        each.envvar = None
        each.hidden = each.name == "api_key"  # accepted only to be rejected with a reason
    return list(known)


_PARAMETERS: Final = {"api_key", *(key.replace("-", "_") for key in profiles.OPTIONS)}

set_profile.params[2:2] = _options()
for _command in (set_profile, list_profiles, show_profile, use_profile, remove_profile):
    profile.add_command(_command)


# --------------------------------------------------------------------------------------------------------------------
# config


@local_command(
    "config", *CONNECTION_OPTIONS, CALL_TIMEOUT, examples=("mxgw-py config", "mxgw-py config --profile plant --json")
)
def config(app: App, **params: Any) -> None:
    """Show which connection options are in force, and where each is from.

    Takes the connection options of every command, the environment and the profile into account; no gateway is asked.
    The API key and passwords are not shown.
    """
    if params["api_key"] is not None:
        app.keep_secret(params["api_key"])
    if params["proxy"] is not None:
        for secret in params["proxy"].secrets():
            app.keep_secret(secret)
    settings, warnings = settings_in_force(click.get_current_context(), params)
    for text in warnings:
        app.warn(text)
    if app.output.form in ("json", "value"):
        documents = [_setting_document(setting) for setting in settings]
        app.output.document({"operation": "config", "options": documents}, value="options")
        return
    if app.output.form == "table":
        rows = [(*_texts(setting), setting.shown_source) for setting in settings]
        app.output.table(("option", "value", "source"), rows, headed=False)
        return
    for setting in settings:
        app.output.json_line(_setting_document(setting))


def _texts(setting: Setting) -> tuple[str, str]:
    return setting.option, plain(setting.value) or "-"


def _setting_document(setting: Setting) -> dict[str, Any]:
    return {"option": setting.option, "value": setting.value, "source": setting.source, "where": setting.where or None}
