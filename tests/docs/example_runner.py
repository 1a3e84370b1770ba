"""Runs a script as a process: a fork of this one, which has loaded the package once for all of them.

Each line of stdin is a JSON object with the `script`, its `folder` and its `environment`; each line of stdout the
script's exit code and stderr. A fork ends as any interpreter does.
"""

from __future__ import annotations

import gc
import json
import os
import runpy
import sys
import tempfile
from pathlib import Path
from typing import Any

import mxgateway
from tests.garbage import leave_alone_what_there_is


def main() -> None:
    """Answer every request."""
    for name in mxgateway.__all__:
        getattr(mxgateway, name)
    gc.collect()
    leave_alone_what_there_is()
    for line in sys.stdin:
        request = json.loads(line)
        with tempfile.TemporaryFile() as said:
            if (child := os.fork()) == 0:
                _be(request, said.fileno())
                return
            code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
            said.seek(0)
            print(json.dumps([code, said.read().decode()]), flush=True)


def _be(request: dict[str, Any], stderr: int) -> None:
    os.dup2(stderr, 2)
    with open(os.devnull, "rb+") as nothing:
        os.dup2(nothing.fileno(), 0)
        os.dup2(nothing.fileno(), 1)
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["environment"])
    sys.argv = [request["script"]]
    sys.path[0] = str(Path(request["script"]).parent)
    runpy.run_path(request["script"], run_name="__main__")


if __name__ == "__main__":
    main()
