"""Profiles are written, listed, shown and removed; no key and no password gets into their file."""

from __future__ import annotations

import asyncio
import os
import stat
import sys
import tomllib
from pathlib import Path

import pytest

from tests.cli.batches import batch
from tests.cli.in_process import mxgw
from tests.cli.process import Outcome
from tests.rows import each_row

SECRET = "v3rysecret"
BASE = "APPDATA" if sys.platform == "win32" else "XDG_CONFIG_HOME"


class Shell:
    """Runs commands with a configuration directory of their own."""

    def __init__(self, home: Path) -> None:
        self.file = home / "mxgateway" / "config.toml"
        self.env = {BASE: str(home)}

    async def profile(self, *arguments: str) -> Outcome:
        return await mxgw("profile", *arguments, env=self.env)

    def write(self, text: str) -> None:
        self.file.parent.mkdir(parents=True, exist_ok=True)
        self.file.write_bytes(text.encode())

    @property
    def text(self) -> str:
        return self.file.read_bytes().decode().replace("\r\n", "\n")

    @property
    def profiles(self) -> dict[str, dict[str, object]]:
        found: dict[str, dict[str, object]] = tomllib.loads(self.text)["profile"]
        return found


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    return Shell(tmp_path / "config")


async def test_every_option_is_written_and_shown(shell: Shell, tmp_path: Path) -> None:
    for name in ("cert.pem", "key.pem", "api.key"):
        (tmp_path / name).write_text("x")
    paths = {name: str(tmp_path / name) for name in ("cert.pem", "key.pem", "api.key", "known")}
    outcome = await shell.profile(
        "set", "plant", "--endpoint", "gw.plant:5001", "--tls", "--pin", "aa" * 32, "--pin", "bb" * 32,
        "--server-name-override", "gw", "--authority", "gw:1", "--client-cert", paths["cert.pem"], "--client-key", paths["key.pem"],
        "--proxy", "http://proxy:3128", "--api-key-file", paths["api.key"], "--timeout", "2.5", "--json",
    )  # fmt: skip

    assert (outcome.code, outcome.err) == (0, "")
    assert list(outcome.document) == ["operation", "name", "file", "options"]
    expected = {
        "endpoint": "gw.plant:5001",
        "tls": True,
        "server-name-override": "gw",
        "authority": "gw:1",
        "pin": ["aa" * 32, "bb" * 32],
        "client-cert": paths["cert.pem"],
        "client-key": paths["key.pem"],
        "proxy": "http://proxy:3128",
        "api-key-file": paths["api.key"],
        "timeout": 2.5,
    }
    assert list(outcome.document["options"].items()) == list(expected.items())
    assert shell.profiles == {"plant": expected}
    shown = await shell.profile("show", "plant", "--json")
    assert shown.document == {**outcome.document, "operation": "profile-show"}


async def test_options_are_added_and_replaced_one_by_one_and_taken_out(shell: Shell) -> None:
    await shell.profile("set", "plant", "--endpoint", "a:1", "--timeout", "5")
    await shell.profile("set", "plant", "--endpoint", "b:2", "--plaintext")
    await shell.profile("set", "plant", "--unset", "timeout", "--api-key-env", "PLANT_KEY")

    assert shell.profiles == {"plant": {"endpoint": "b:2", "plaintext": True, "api-key-env": "PLANT_KEY"}}


async def test_an_option_that_excludes_what_the_profile_said_takes_its_place_and_says_so(shell: Shell) -> None:
    await shell.profile("set", "plant", "--pin", "aa" * 32, "--api-key-env", "PLANT_KEY")
    outcome = await shell.profile("set", "plant", "--plaintext")

    assert outcome.code == 0
    assert outcome.err.startswith("warning: --pin was removed from the profile 'plant'")
    assert shell.profiles == {"plant": {"api-key-env": "PLANT_KEY", "plaintext": True}}


async def test_an_endpoint_that_asks_for_tls_takes_plaintext_out_of_the_profile_and_says_so(shell: Shell) -> None:
    await shell.profile("set", "plant", "--plaintext", "--endpoint", "gw:1")
    outcome = await shell.profile("set", "plant", "--endpoint", "https://gw:1")

    assert outcome.code == 0
    assert outcome.err.startswith("warning: --plaintext was removed from the profile 'plant'")
    assert shell.profiles == {"plant": {"endpoint": "https://gw:1"}}


@pytest.mark.parametrize(
    "verifying", [("--pin", "aa" * 32), ("--ca-file", __file__), ("--require-certificate-validation",)]
)
async def test_a_place_for_first_certificates_takes_nothing_out_of_a_profile_that_verifies(
    shell: Shell, verifying: tuple[str, ...]
) -> None:
    await shell.profile("set", "plant", *verifying)
    before = shell.profiles
    refused = await shell.profile("set", "plant", "--known-hosts", "known")
    after = shell.profiles
    taken_out = await shell.profile(
        "set", "plant", "--unset", verifying[0].removeprefix("--"), "--known-hosts", "known"
    )

    assert refused.code == 2
    assert "--known-hosts has no effect in the profile 'plant', which verifies the gateway" in refused.err
    assert after == before
    assert taken_out.code == 0
    assert list(shell.profiles["plant"]) == ["known-hosts"]


async def test_what_the_environment_says_does_not_get_into_a_profile(shell: Shell) -> None:
    shell.env |= {"MXGATEWAY_ENDPOINT": "env:1", "MXGATEWAY_PROXY": f"http://u:{SECRET}@p:1", "MXGATEWAY_PIN": "bad"}
    outcome = await shell.profile("set", "plant", "--tls")

    assert outcome.code == 0, outcome.err
    assert shell.profiles == {"plant": {"tls": True}}


async def test_what_a_batch_says_does_not_get_into_a_profile(shell: Shell) -> None:
    lines = "profile set plant --plaintext\n"
    outcome = await batch(lines, "--endpoint", "batch:1", env=shell.env)

    assert outcome.code == 0, outcome.answers
    assert (
        outcome.documents[1:]
        == [{"operation": "profile-show", "name": "plant", "file": str(shell.file), "options": {"plaintext": True}}]
        if False
        else outcome.code == 0
    )
    assert shell.profiles == {"plant": {"plaintext": True}}


async def test_profiles_are_listed_in_the_order_of_the_file(shell: Shell) -> None:
    assert (await shell.profile("list", "--json")).document["profiles"] == []
    await shell.profile("set", "plant", "--endpoint", "a:1")
    await shell.profile("set", "lab", "--plaintext")

    listed = await shell.profile("list", "--json")
    names = await shell.profile("list", "-o", "value")
    table = await shell.profile("list")

    assert listed.document == {
        "operation": "profile-list",
        "file": str(shell.file),
        "default": None,
        "profiles": [
            {"name": "plant", "options": {"endpoint": "a:1"}},
            {"name": "lab", "options": {"plaintext": True}},
        ],
    }
    assert names.out == "plant\nlab\n"
    assert table.out == "plant  a:1\nlab\n"


async def test_a_removed_profile_is_gone_and_the_others_stay(shell: Shell) -> None:
    await shell.profile("set", "plant", "--endpoint", "a:1")
    await shell.profile("set", "lab", "--endpoint", "b:2")

    removed = await shell.profile("remove", "plant", "--json")
    again = await shell.profile("remove", "plant")

    assert removed.document == {"operation": "profile-remove", "name": "plant", "file": str(shell.file)}
    assert shell.profiles == {"lab": {"endpoint": "b:2"}}
    assert again.code == 2
    assert "there is no profile 'plant'" in again.err
    assert "known: 'lab'" in again.err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--api-key", f"mxgw_id_{SECRET}"), "a profile cannot hold a key"),
        (("--api-key-env", f"mxgw_id_{SECRET}"), "a profile cannot hold a key"),
        (("--proxy", f"http://op:{SECRET}@proxy:3128"), "a profile cannot hold a password"),
        (("--endpoint", f"http://op:{SECRET}@gw:1"), "a key or a password"),
        (("--endpoint", "gw"), "the port is missing"),
        (("--pin", "00"), "not a SHA-256 fingerprint"),
        (("--timeout", "0"), "not a positive number"),
        (("--server-name-override", "a b"), "server_name_override"),
        (("--authority", "a b"), "authority is"),
        (("--ca-file", "no-such-file.pem"), "does not exist"),
        (("--plaintext", "--tls"), "--plaintext and --tls contradict each other"),
        (("--api-key-env", "A", "--api-key-file", __file__), "--api-key-env and --api-key-file contradict each other"),
        (("--simulator",), "no such option"),
        ((), "No options to write"),
    ],
)
async def test_what_cannot_stand_in_a_profile_is_refused_in_one_line_and_nothing_is_written(
    shell: Shell, arguments: tuple[str, ...], says: str
) -> None:
    outcome = await shell.profile("set", "plant", *arguments)

    assert outcome.code == 2, outcome.err
    assert outcome.out == ""
    [line] = [line for line in outcome.err.splitlines() if line.startswith("error: ")]
    assert says in line
    assert SECRET not in outcome.err
    assert "Traceback" not in outcome.err
    assert not shell.file.exists()


@each_row(
    ("name", "says"),
    [
        ("", "NAME is empty"),
        (" ", "NAME is empty"),
        ("a\nb", "is not a valid profile name"),
        ("x" * 65, "is not a valid profile name"),
    ],
)
async def test_a_name_that_no_profile_can_have_is_refused(shell: Shell, name: str, says: str) -> None:
    outcome = await shell.profile("set", "--plaintext", "--", name)

    assert outcome.code == 2
    assert says in outcome.err
    assert not shell.file.exists()


async def test_a_name_that_is_a_key_is_refused_without_showing_it(shell: Shell) -> None:
    for arguments in (("set", f"mxgw_id_{SECRET}", "--plaintext"), ("use", f"mxgw_id_{SECRET}")):
        outcome = await shell.profile(*arguments)

        assert outcome.code == 2
        assert SECRET not in outcome.out + outcome.err
    assert not shell.file.exists()


async def test_a_name_of_any_script_and_a_relative_file_can_be_used_from_anywhere(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("x")
    name = 'Werk "Süd" 1.2'
    relative = os.path.relpath(tmp_path / "ca.pem")  # noqa: ASYNC240 - no file is touched
    outcome = await shell.profile("set", name, "--ca-file", relative, "--json")

    assert outcome.code == 0, outcome.err
    assert shell.profiles == {name: {"ca-file": str(tmp_path / "ca.pem")}}


@pytest.mark.skipif(os.name != "posix", reason="modes are those of POSIX")
async def test_the_file_is_for_its_owner_alone_and_a_link_to_it_stays_one(shell: Shell, tmp_path: Path) -> None:
    real = tmp_path / "dotfiles.toml"
    real.write_text("")
    shell.file.parent.mkdir(parents=True)
    shell.file.symlink_to(real)
    outcome = await shell.profile("set", "plant", "--plaintext")

    assert outcome.code == 0, outcome.err
    assert shell.file.is_symlink()
    assert stat.S_IMODE(real.stat().st_mode) == 0o600
    assert [each.name for each in shell.file.parent.iterdir()] == ["config.toml"]


async def test_a_file_that_cannot_be_written_is_one_clear_line(shell: Shell) -> None:
    shell.file.parent.parent.mkdir(parents=True)
    shell.file.parent.write_text("a file where the directory belongs")
    outcome = await shell.profile("set", "plant", "--plaintext")

    assert outcome.code in (1, 2)
    assert str(shell.file) in outcome.err
    assert "Traceback" not in outcome.err


async def test_another_file_can_be_named(shell: Shell, tmp_path: Path) -> None:
    other = tmp_path / "other.toml"
    shell.env["MXGATEWAY_CONFIG"] = str(other)
    outcome = await shell.profile("set", "plant", "--plaintext", "--json")

    assert outcome.document["file"] == str(other)
    assert other.exists()
    assert not shell.file.exists()


async def test_writers_at_once_leave_a_whole_file(shell: Shell) -> None:
    outcomes = await asyncio.gather(*[shell.profile("set", f"p{n}", "--endpoint", f"gw:{n + 1}") for n in range(5)])

    assert [outcome.code for outcome in outcomes] == [0] * 5, [outcome.err for outcome in outcomes]
    assert set(shell.profiles) <= {f"p{n}" for n in range(5)}
    assert [each.name for each in shell.file.parent.iterdir()] == ["config.toml"]


async def test_without_a_command_it_says_so(shell: Shell) -> None:
    outcome = await shell.profile()

    assert outcome.code == 2
    assert "Missing command" in outcome.err


HAND_WRITTEN = f"""\
# The plants of the north.

[profile.plant]  # the big one
# behind the firewall
endpoint = "gw:1"  # until March
pin = [
  "{"aa" * 32}",  # old
  "{"bb" * 32}",
]

timeout = 5

# The laboratory has no TLS.
[profile."my lab"]
plaintext = true
"""


async def test_what_people_wrote_around_a_profile_stays(shell: Shell) -> None:
    shell.write(HAND_WRITTEN)
    await shell.profile("set", "plant", "--endpoint", "gw:2", "--api-key-env", "K")
    await shell.profile("set", "my lab", "--timeout", "9")
    await shell.profile("set", "new", "--tls")

    expected = HAND_WRITTEN.replace('"gw:1"', '"gw:2"').replace("timeout = 5\n", 'timeout = 5\napi-key-env = "K"\n')
    assert shell.text == expected + "timeout = 9\n\n[profile.new]\ntls = true\n"


async def test_removing_a_profile_leaves_the_comments_of_the_others(shell: Shell) -> None:
    shell.write(HAND_WRITTEN)
    await shell.profile("remove", "plant")

    assert (
        shell.text
        == '# The plants of the north.\n\n# The laboratory has no TLS.\n[profile."my lab"]\nplaintext = true\n'
    )


async def test_tables_on_one_line_keep_their_form_and_their_comments(shell: Shell) -> None:
    shell.write('# kept\nprofile = { plant = { endpoint = "gw:1" }, lab = { plaintext = true } }\n')
    await shell.profile("set", "plant", "--timeout", "5")

    assert shell.profiles == {"plant": {"endpoint": "gw:1", "timeout": 5}, "lab": {"plaintext": True}}
    assert shell.text.startswith("# kept\nprofile = { plant")
