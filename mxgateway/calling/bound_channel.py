"""A channel to a gateway that speaks the contract which the options ask for."""

from __future__ import annotations

from mxgateway.transport.channel import Channel
from mxgateway.transport.connecting.open_channel import Given, connected_channel


async def speaking_channel(given: Given) -> Channel:
    """Return a channel to a gateway that has answered, and which is spoken to by its contract.

    Raises:
        MxGatewayInvalidRequestError: The endpoint or an option is wrong; nothing was sent.
        MxGatewayContractError: The contract does not fit, or what the gateway tells is none.
        MxGatewayTransportError: No connection came about.
    """
    channel = await connected_channel(given)
    if channel.options.contract == "auto":
        from mxgateway.contract.contract import speak_own_contract  # most clients are told theirs, or need none

        try:
            await speak_own_contract(channel)
        except BaseException:
            await channel.aclose()
            raise
    return channel
