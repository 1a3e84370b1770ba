"""What a shell is offered for a command line that is begun, asked in this process."""

from __future__ import annotations

from collections.abc import Mapping

from tests.cli.in_process import mxgw


async def offers(line: str, env: Mapping[str, str], shell: str = "bash") -> list[str]:
    """Return the values that a shell is offered, and see that nothing else is said."""
    asked = {
        "_MXGW_PY_COMPLETE": f"{shell}_complete",
        "COMP_WORDS": f"mxgw-py {line}",
        "COMP_BREAKS": " \t\n\"'><=;|&(:",
    }
    outcome = await mxgw(env={**env, **asked})
    assert (outcome.code, outcome.err) == (0, "")
    lines = outcome.out.splitlines()
    return lines[1::3] if shell == "zsh" else [each.partition(",")[2].partition("\t")[0] for each in lines]
