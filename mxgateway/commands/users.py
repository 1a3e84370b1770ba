"""The session's methods for users, for secured writes."""

from __future__ import annotations

import uuid

from mxgateway import proto
from mxgateway.calling import replies
from mxgateway.calling.argument_checks import check_guid, check_handle, check_secret, check_text
from mxgateway.commands.core import SessionCore
from mxgateway.options.credentials import Secret, SecretText, wrapped
from mxgateway.transport.calls.method import Site


class UserCommands(SessionCore):
    """Users, whose ids are valid for one server handle only."""

    async def authenticate_user(
        self,
        server_handle: int,
        user: str,
        password: Secret | str,
        *,
        timeout: float | None = None,
        correlation_id: str = "",
    ) -> int:
        """Authenticate a user of the galaxy and return the user id for secured writes with this server handle.

        Args:
            server_handle: From `register`; the id is valid for it alone.
            user: The user's name.
            password: Never shown; a str is wrapped at once.

        Raises:
            MxAccessError: MXAccess does not know the user, or the password is wrong.
        """
        # Before anything can fail: a traceback may show the variables of its frames. Name and password are easily mixed up.
        name, password = Secret(user), wrapped(password)
        del user
        command = proto.AuthenticateUserCommand(
            server_handle=check_handle("server_handle", server_handle),
            verify_user=check_text("user", name.reveal()),
            verify_user_password=SecretText(check_secret("password", password).reveal()),
        )
        return await self._ask(command, _user_id, timeout, correlation_id)

    async def archestra_user_to_id(
        self,
        server_handle: int,
        user_id_guid: uuid.UUID | str,
        *,
        timeout: float | None = None,
        correlation_id: str = "",
    ) -> int:
        """Return the user id of a user of the galaxy, by GUID, for secured writes with this server handle.

        Args:
            server_handle: From `register`; the id is valid for it alone.
            user_id_guid: The user's GUID.

        Raises:
            MxAccessError: MXAccess does not know the user.
        """
        command = proto.ArchestrAUserToIdCommand(
            server_handle=check_handle("server_handle", server_handle),
            user_id_guid=check_guid("user_id_guid", user_id_guid),
        )
        return await self._ask(command, _user_id, timeout, correlation_id)


def _user_id(reply: proto.MxCommandReply, command: proto.MxCommand, site: Site) -> int:
    """Return the user id of an OK reply; MXAccess returns 0 for an unknown user."""
    found = replies.payload(reply, command, site)
    user_id: int = found.user_id
    if user_id == 0:
        replies.hide_secrets(reply, site().gate, everywhere=True)
        by_password = isinstance(found, proto.AuthenticateUserReply)
        diagnostic = reply.diagnostic_message or f"no such user{', or a wrong password' if by_password else ''}"
        raise replies.mxaccess_error(
            replies.describe(command), reply.hresult, reply.statuses, diagnostic, reply, site()
        )
    return user_id
