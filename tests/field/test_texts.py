"""Texts of errors: the cause that the user can change is named, with the option and the variable."""

from __future__ import annotations

import pytest

from mxgateway import GatewayClient, MxGatewayError
from mxgateway.simulator import SimulatedGateway
from tests.cli.in_process import mxgw
from tests.field.behaviours import Behaviour

BEHAVIOURS = [
    Behaviour(
        "no key given: which option and variable to set",
        "errors/test_hints.py::test_a_call_without_a_key_says_which_option_and_variable_to_set",
        ("field/test_texts.py::test_a_command_without_a_key_says_so",),
    ),
    Behaviour(
        "a port without TLS: say plaintext=True and --plaintext",
        "field/test_texts.py::test_tls_to_a_port_without_tls_names_plaintext",
        (
            "errors/test_tls_hints.py::test_a_tls_failure_has_the_remedy_for_its_reason",
            "transport/connecting/test_tls_refusals.py::test_plaintext_to_a_tls_port_is_refused",
        ),
    ),
    Behaviour(
        "UNAVAILABLE on OpenSession does not speak of the session's worker",
        "errors/test_hints.py::test_only_a_session_that_is_open_has_a_worker_that_can_be_gone",
    ),
    Behaviour(
        "a reply that is too large is no matter of sessions",
        "errors/test_hints.py::test_a_message_that_is_too_large_is_no_matter_of_sessions",
        ("errors/test_fault_mapping.py::test_a_reply_beyond_the_gateways_own_limit_is_told_from_its_other_limits",),
    ),
    Behaviour(
        "no file descriptors left is no network fault",
        "errors/test_hints.py::test_no_file_descriptors_left_is_no_fault_of_the_network",
        ("errors/test_hints.py::test_a_client_that_gets_no_descriptor_says_so",),
    ),
]


async def test_a_command_without_a_key_says_so() -> None:
    async with SimulatedGateway() as gateway:
        outcome = await mxgw("read", "TestChildObject.TestInt", "--plaintext", "--endpoint", gateway.endpoint)
    assert outcome.code == 80
    for words in ("MXGATEWAY_API_KEY", "--api-key-file"):
        assert words in outcome.err


async def test_tls_to_a_port_without_tls_names_plaintext() -> None:
    async with SimulatedGateway() as gateway:
        with pytest.raises(MxGatewayError) as caught:
            await GatewayClient.connect(gateway.endpoint, api_key=gateway.api_key)
        outcome = await mxgw("ping", "--endpoint", gateway.endpoint, "--known-hosts", "/dev/null")
    assert "plaintext=True" in str(caught.value)
    for text in (str(caught.value), outcome.err):
        assert "--plaintext" in text
