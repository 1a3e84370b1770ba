from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.conformance import suite
from tests.conformance.peer import Peers


@pytest.fixture(scope="session")
def peers() -> Iterator[Peers]:
    try:
        folder = suite.compiled()
    except suite.UnavailableError as error:
        pytest.skip(str(error))
    made = Peers(folder)
    yield made
    assert made.close() == 0
