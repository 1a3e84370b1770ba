"""The option that names a profile: what it does to the command that it stands in, and how a shell completes it.

The profiles' file, and what reads it, is loaded when a profile is named, and not by every command.
"""

from __future__ import annotations

from contextlib import suppress

import click

from mxgateway_cli.connecting.precedence import lend_profile


def use_profile(ctx: click.Context, _option: click.Parameter, name: str | None) -> None:
    """Let the profile `name` supply what neither a flag nor the environment says.

    Raises:
        ProfileError: There is no such profile, or its file is broken.
    """
    if name is None or ctx.resilient_parsing:
        return
    from mxgateway_cli.connecting import profiles

    lend_profile(ctx, profiles.load().profile(name))


def profile_names(_ctx: click.Context, _option: click.Parameter, incomplete: str) -> list[str]:
    """Return the profiles whose names begin so, for a shell that completes them; a file that cannot be read has none."""
    from mxgateway_cli.connecting import profiles

    with suppress(profiles.ProfileError):
        return [name for name in profiles.load().names if name.startswith(incomplete)]
    return []
