"""Hosts: one form of a name for each use, IDNA 2008 or a refusal, and a 421 that is explained."""

from __future__ import annotations

from tests.field.behaviours import Behaviour

BEHAVIOURS = [
    Behaviour(
        "`host.`, zones, upper case and umlauts have one form each for connecting, SNI, verification, authority and proxies",
        "transport/connecting/test_hosts.py::test_a_host_has_one_form_for_each_use",
        ("transport/connecting/test_hosts.py::test_a_proxy_resolves_the_name_as_written_and_hears_no_zone",),
    ),
    Behaviour(
        "a gateway is the same in the file of known gateways however its host is spelt",
        "transport/connecting/test_known_gateways.py::test_a_gateway_is_the_same_however_its_host_is_spelt_and_another_port_is_another",
    ),
    Behaviour(
        "with server_name_override, SNI and :authority are the same name",
        "transport/connecting/test_hosts.py::test_an_overridden_name_is_the_one_of_tls_and_of_calls",
    ),
    Behaviour(
        "an authority of its own is sent as it is",
        "transport/connecting/test_hosts.py::test_an_authority_of_its_own_is_sent_as_it_is_and_tls_stays",
        (
            "transport/connecting/test_hosts.py::test_what_is_no_authority_is_refused",
            "transport/connecting/test_hosts.py::test_what_is_an_authority_is_taken",
        ),
    ),
    Behaviour("a 421 is explained", "transport/connecting/test_hosts.py::test_a_misdirected_request_is_explained"),
    Behaviour(
        "a name is the one of IDNA 2008, or refused",
        "options/test_endpoints.py::test_a_name_is_never_made_another_one_than_in_idna_2008",
        (
            "options/test_endpoints.py::test_what_people_write_is_read",
            "options/test_endpoints.py::test_what_is_no_endpoint_is_refused_with_the_part_that_is_wrong",
            "options/test_endpoints.py::test_no_character_becomes_a_blank_or_a_mark_in_a_host_name",
            "options/test_endpoints.py::test_a_server_name_takes_none_of_them_either",
        ),
    ),
]
