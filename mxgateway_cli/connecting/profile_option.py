"""The ``--profile`` option: how it applies a profile, and how a shell completes it.

The module that reads the profiles is imported only when a profile is named, or when there is a file of them.
"""

from __future__ import annotations

from contextlib import suppress

import click

from mxgateway_cli.connecting.default_profile import profiles_may_exist
from mxgateway_cli.connecting.precedence import apply_profile, is_simulated


def use_profile(ctx: click.Context, _option: click.Parameter, name: str | None) -> None:
    """Use the profile `name`, or the default one, for the options that neither a flag nor the environment sets.

    Raises:
        ProfileError: There is no such profile, or the file is invalid.
    """
    if ctx.resilient_parsing or (name is None and (is_simulated(ctx) or not profiles_may_exist())):
        return
    from mxgateway_cli.connecting import profiles

    config = profiles.load()
    if name is not None:
        apply_profile(ctx, config.profile(name))
    elif config.default is not None:
        apply_profile(ctx, config.default_profile())


def profile_names(_ctx: click.Context, _option: click.Parameter, incomplete: str) -> list[str]:
    """Return the profile names that start with `incomplete`, for shell completion; none if the file cannot be read."""
    from mxgateway_cli.connecting import profiles

    with suppress(profiles.ProfileError):
        return [name for name in profiles.load().names if name.startswith(incomplete)]
    return []
