"""protobuf's own conformance suite finds the known differences of our codec and no other."""

from __future__ import annotations

import re

import pytest

from tests.conformance import suite


def test_the_suite_finds_the_known_differences_and_no_other() -> None:
    try:
        done = suite.run()
    except suite.UnavailableError as error:
        pytest.skip(str(error))
    summary = re.search(r"CONFORMANCE SUITE \w+: (\d+) successes.*", done.stderr)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    assert summary is not None
    print(summary[0])
    assert int(summary[1]) > 1400
