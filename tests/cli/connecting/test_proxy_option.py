"""A command goes through the proxy that it is told of, and nobody but the proxy sees the password."""

from __future__ import annotations

import pytest

from tests.cli.gateway import SECRET, Gateway
from tests.cli.in_process import mxgw
from tests.peers.network.connect_proxy import ConnectProxy

PASSWORD = "pr0xy-p4ssword"


async def test_a_proxy_of_the_environment_is_used_without_a_word(gateway: Gateway) -> None:
    async with ConnectProxy(credentials=f"op:{PASSWORD}") as proxy:
        env = {**gateway.env, "MXGATEWAY_PROXY": proxy.url_with(f"op:{PASSWORD}")}
        outcome = await mxgw("ping", "--plaintext", env=env)
        await proxy.all_gone()

    assert (outcome.code, outcome.err) == (0, "")
    assert [tunnel.target for tunnel in proxy.tunnels] == [gateway.simulated.endpoint]


async def test_a_flag_wins_and_its_password_is_warned_about_and_never_shown(gateway: Gateway) -> None:
    async with ConnectProxy(credentials=f"op:{PASSWORD}") as proxy:
        env = {**gateway.env, "MXGATEWAY_PROXY": "http://127.0.0.1:1", "MXGATEWAY_DEBUG": "1"}
        flag = ("--proxy", proxy.url_with(f"op:{PASSWORD}"))
        outcome = await mxgw("ping", "--plaintext", "-v", *flag, env=env)
        without_password = await mxgw("ping", "--plaintext", "--proxy", proxy.url, env=env)
        await proxy.all_gone()

    assert outcome.code == 0, outcome.err
    assert "warning: the password in --proxy is visible in the process list" in outcome.err
    assert f"without TLS through the proxy {proxy.url}, API key" in outcome.err
    assert PASSWORD not in outcome.out + outcome.err
    assert without_password.code == 78
    assert "warning" not in without_password.err
    assert "http://user:password@host:port" in without_password.err


async def test_the_variables_of_other_programs_are_not_looked_at(gateway: Gateway) -> None:
    names = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy", "grpc_proxy")
    outcome = await mxgw("ping", "--plaintext", env={**gateway.env, **dict.fromkeys(names, "http://127.0.0.1:1")})

    assert (outcome.code, outcome.err) == (0, "")


async def test_a_proxy_that_refuses_is_one_clear_line_with_both_names(gateway: Gateway) -> None:
    async with ConnectProxy(answer=b"HTTP/1.1 403 Forbidden\r\n\r\n") as proxy:
        env = {**gateway.env, "MXGATEWAY_PROXY": proxy.url_with(f"op:{PASSWORD}"), "MXGATEWAY_DEBUG": "1"}
        outcome = await mxgw("ping", "--plaintext", "--json", env=env)
        await proxy.all_gone()

    assert outcome.code == 78
    assert outcome.error["phase"] == "proxy"
    assert outcome.error["endpoint"] == gateway.simulated.endpoint
    assert proxy.url in outcome.error["message"]
    assert not {secret for secret in (PASSWORD, SECRET) if secret in outcome.err}


@pytest.mark.parametrize("way", ["flag", "environment"])
async def test_a_malformed_url_is_refused_without_being_shown(way: str) -> None:
    url = f"https://op:{PASSWORD}@proxy"
    outcome = await (mxgw("ping", "--proxy", url) if way == "flag" else mxgw("ping", env={"MXGATEWAY_PROXY": url}))

    assert outcome.code == 2
    assert "the proxy URL is malformed" in outcome.err
    assert PASSWORD not in outcome.err
