"""The users of a secured write: given by id, or by name and password."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import click

from mxgateway_cli.connecting.passwords import password_options
from mxgateway_cli.help.sections import Decorator, option

if TYPE_CHECKING:
    from mxgateway import Secret
    from mxgateway_cli.input.target import Place

SECURED_OPTIONS: Final[tuple[Decorator, ...]] = (
    option("--current-user-id", type=int, metavar="N", help="Id that authenticate-user returned for this server handle."),
    option("--verifier-user-id", type=int, metavar="N", help="Id of the second user of a verified write.  [default: the current user's id]"),
    option("--user", metavar="NAME", help="Instead of an id: authenticate this user first."),
    *password_options(),
    option("--verifier", metavar="NAME", help="The second user of a verified write; requires --user."),
    *password_options("verifier-"),
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class SecuredUsers:
    """The users that a command line names."""

    current_user_id: int | None
    verifier_user_id: int | None
    user: str | None
    password: Secret | None
    verifier: str | None
    verifier_password: Secret | None

    @classmethod
    def take(cls, params: dict[str, Any], session_id: str | None) -> SecuredUsers:
        """Take the users out of a command's parameters.

        Raises:
            click.UsageError: They contradict each other, or an id is given without its session.
        """
        users = cls(**{name: params.pop(name) for name in cls.__slots__})
        by_id = users.current_user_id is not None or users.verifier_user_id is not None
        if users.verifier is not None and users.user is None:
            raise click.UsageError("--verifier requires --user, the first of the two users.")
        if users.user is not None and by_id:
            raise click.UsageError("--user and user ids contradict each other: use one or the other.")
        if session_id is None and users.user is None:
            raise click.UsageError(
                "Name the user with --user: an id is valid only in the session of its server handle."
            )
        return users

    @property
    def by_name(self) -> bool:
        """Whether the users are given by name, so that they must be authenticated for their ids."""
        return self.user is not None

    async def authenticate(self, place: Place) -> dict[str, int]:
        """Authenticate the named users; return their ids as keyword arguments of the session's methods."""
        if self.user is None or self.password is None:
            raise TypeError("the users are given by id")
        session, server = place.session, place.server_handle
        current = await session.authenticate_user(server, self.user, self.password)
        verifier = current
        if self.verifier is not None and self.verifier_password is not None:
            verifier = await session.authenticate_user(server, self.verifier, self.verifier_password)
        return {"current_user_id": current, "verifier_user_id": verifier}
