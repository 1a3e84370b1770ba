"""In bash, zsh and fish on a terminal: what is completed is one word, and nothing in it is run or expanded."""

from __future__ import annotations

import shutil
import sys
import time
from pathlib import Path

import pytest

from mxgateway_cli.completing.lookup import Answer, Cache
from tests.cli.completing.shell_session import SHELLS, shell_session
from tests.cli.in_process import run_here

TAGS = [
    "a1.$(touch pwned)`touch pwned`", "a2.it's \"quoted\"  two blanks", "a3.Array[]", "a4.$HOME;touch pwned|x&y>pwned", "a5.~{x,y}*?#back\\slash",
    "a6.a:b=c,日本",
]  # fmt: skip
"""Names that a hostile galaxy may have; each is the only one that begins as it does."""
IDENTITY = "127.0.0.1:1\n\nplaintext"
"""What the cache keeps the gateway under that nobody listens for."""

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="these shells are for POSIX")


def remember(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put the names into the cache, as if the gateway had answered just now."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder))
    cache = Cache(IDENTITY)
    for tag in TAGS:
        name = tag.partition(".")[0]
        cache.put(f"objects:{name}", Answer([name], time.time(), is_whole=True))
        cache.put(f"attributes:{name}", Answer([tag], time.time(), is_whole=True))


@pytest.mark.parametrize("shell", SHELLS)
async def test_a_hostile_name_is_one_word_and_nothing_of_it_is_run(
    shell: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"there is no {shell} here")
    cache, home = tmp_path / "cache", tmp_path / "home"
    home.mkdir()
    remember(cache, monkeypatch)
    script = run_here("completion", shell).out
    env = {"XDG_CACHE_HOME": str(cache), "MXGATEWAY_ENDPOINT": "127.0.0.1:1"}
    async with shell_session(shell, home, script, env) as session:
        for tag in TAGS:
            assert await session.run(f"mxgw-py read --plaintext {tag[:2]}") == ["read", "--plaintext", tag]
        assert await session.run("mxgw-py read --plaintext 'a2") == ["read", "--plaintext", TAGS[1]]
        assert await session.run("mxgw-py --plaintext write --item=a3") == ["--plaintext", "write", "--item=a3.Array[]"]
        assert await session.run("mxgw-py write --type='int32['") == ["write", "--type=int32[]"]
        assert await session.run("FOO=1 mxgw-py --endpoint localhost:5000 galaxy-dis") == [
            "--endpoint",
            "localhost:5000",
            "galaxy-discover",
        ]

    assert sorted(path.name for path in home.iterdir() if path.name[0] != ".") == ["bin", "script", "words"]


@pytest.mark.parametrize("shell", SHELLS)
def test_a_script_leaves_the_quoting_to_the_shell_or_quotes_itself(shell: str) -> None:
    script = run_here("completion", shell).out

    assert "_mxgw_py_completion" in script
    assert "compadd -Q" not in script
    assert "eval" not in script.replace("zsh_eval_context", "")
    assert ("printf -v value %q" in script) is (shell == "bash")
