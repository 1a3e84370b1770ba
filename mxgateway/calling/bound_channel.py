"""Connects a channel and applies the contract in the options."""

from __future__ import annotations

from mxgateway.transport.channel import Channel
from mxgateway.transport.connecting.open_channel import Given, connected_channel


async def speaking_channel(given: Given) -> Channel:
    """Return a connected channel that uses the contract in the options.

    Raises:
        MxGatewayInvalidRequestError: The endpoint or an option is invalid; nothing was sent.
        MxGatewayContractError: The contract does not fit, or the gateway returned an invalid one.
        MxGatewayTransportError: No connection was established.
    """
    channel = await connected_channel(given)
    if channel.options.contract == "auto":
        from mxgateway.contract.contract import speak_own_contract  # imported lazily: most clients do not need it

        try:
            await speak_own_contract(channel)
        except BaseException:
            await channel.aclose()
            raise
    return channel
