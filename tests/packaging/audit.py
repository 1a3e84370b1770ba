"""Looks up the known vulnerabilities of what is installed beside this project: `make audit`. It needs a network, so CI does not run it."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

FOUND = 1
NOT_LOOKED_UP = 2


def main() -> int:
    """Write one line for each vulnerability, and return the exit code; no answer is never taken for a good one."""
    frozen = _run("pip", "freeze", "--exclude-editable")
    if frozen.returncode != 0:
        return _failed(frozen)
    with tempfile.TemporaryDirectory() as scratch:
        requirements = Path(scratch, "requirements.txt")
        requirements.write_text(frozen.stdout, encoding="utf-8")
        # Strict: a package that cannot be looked up fails the audit.
        options = ["--strict", "--no-deps", "--disable-pip", "--progress-spinner", "off", "--format", "json"]
        done = _run("pip_audit", *options, "--requirement", str(requirements))
    try:
        packages: list[dict[str, Any]] = json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError, TypeError):
        return _failed(done)
    found = [(package, each) for package in packages for each in package["vulns"]]
    for package, each in found:
        fixed = " or ".join(each["fix_versions"]) or "no version yet"
        print(f"{package['name']} {package['version']}: {each['id']}, mended in {fixed}")
    if done.returncode != bool(found) or not packages:
        return _failed(done)
    print(f"{len(packages)} packages looked up, {len(found)} known vulnerabilities")
    return FOUND if found else 0


def _run(*module: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", *module], capture_output=True, text=True, check=False)


def _failed(done: subprocess.CompletedProcess[str]) -> int:
    said = [line.strip() for line in done.stderr.splitlines() if line.strip()]
    reason = said[-1] if said else f"exit code {done.returncode}"
    print(f"error: known vulnerabilities cannot be looked up, which needs a network: {reason}", file=sys.stderr)
    return NOT_LOOKED_UP


if __name__ == "__main__":
    sys.exit(main())
