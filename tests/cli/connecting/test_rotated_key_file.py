"""The file of --api-key-file is read again when the gateway refuses the key."""

from __future__ import annotations

from pathlib import Path

import pytest

from mxgateway import ApiKey
from mxgateway.simulator import SimulatedGateway, SimulatedKey
from mxgateway.simulator.hidden_text import HiddenText
from mxgateway.simulator.server.keys import Authenticator
from mxgateway_cli.connecting.connection import KeyFile, key_from_file
from mxgateway_cli.terminal.text import clean
from tests.cli.in_process import mxgw

OLD, NEW = "mxgw_svc_oldsecret123456", "mxgw_svc_newsecret123456"


async def test_a_key_that_is_rotated_while_a_command_runs_is_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "key"
    file.write_text(OLD)
    accept = Authenticator.authenticate

    def rotate(self: Authenticator, authorization: HiddenText) -> SimulatedKey:
        file.write_text(NEW)
        return accept(self, authorization)

    monkeypatch.setattr(Authenticator, "authenticate", rotate)
    async with SimulatedGateway(api_keys=[SimulatedKey.parse(NEW)]) as gateway:
        where = ("--endpoint", gateway.endpoint, "--plaintext", "--api-key-file", str(file))
        assert (await mxgw("smoke", *where)).code == 0
        file.write_text("mxgw_svc_wrongsecret123456")
        monkeypatch.setattr(Authenticator, "authenticate", accept)
        refused = await mxgw("smoke", *where)
        assert "UNAUTHENTICATED" in refused.err
        assert "wrongsecret" not in refused.out + refused.err


async def test_the_file_is_read_again_after_the_first_time_and_its_new_key_is_hidden(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text(OLD)
    file.chmod(0o600)
    source = KeyFile(str(file), ApiKey(OLD), key_from_file)
    file.write_text(NEW)
    assert [await source(), await source()] == [ApiKey(OLD), ApiKey(NEW)]
    assert "newsecret" not in clean("the gateway says newsecret123456 and " + NEW)
    file.unlink()
    with pytest.raises(Exception, match="cannot be read"):
        await source()
    assert str(source) == "mxgw_svc_***"
    assert source == KeyFile(str(file), ApiKey(NEW), key_from_file)
