"""The command lines that the interface fixes run as they are written, each as a process, one after another as a script has them.

Lines without ``--endpoint`` and ``--plaintext`` have them from the default profile. Only ``<id>`` is replaced, by the id that `open-session` has returned, and the port 5000 if something else listens there.
"""

from __future__ import annotations

import asyncio
import shlex
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext, suppress
from pathlib import Path
from typing import Final

from mxgateway.simulator import Attribute, PlantObject, SimulatedGateway, SimulatedKey, Template
from tests.cli.gateway import KEY
from tests.cli.process import Outcome, fork

SEEDS: Final = """\
mxgw-py version --json
mxgw-py smoke --endpoint localhost:5000 --plaintext --item TestChildObject.TestInt --json
mxgw-py open-session --endpoint localhost:5000 --plaintext --json
mxgw-py register --session-id <id> --client-name python-client --json
mxgw-py add-item --session-id <id> --server-handle 1 --item Object.Attribute --json
mxgw-py advise --session-id <id> --server-handle 1 --item-handle 2 --json
mxgw-py stream-events --session-id <id> --max-events 1 --json
mxgw-py write --session-id <id> --server-handle 1 --item-handle 2 --type int32 --value 123 --json
mxgw-py read-bulk --session-id <id> --server-handle 1 --items a,b --timeout-ms 0 --json
mxgw-py write-bulk --session-id <id> --server-handle 1 --item-handles 1,2 --type int32 --values 5,6 --json
mxgw-py stream-alarms --filter-prefix Galaxy!Area1 --max-messages 10 --timeout 5 --json
mxgw-py acknowledge-alarm --reference 'Galaxy!Area1.Tank01.HiHi' --comment ok --operator me --json
"""
PORT: Final = 5000
SOME_FAIL: Final = {"read-bulk", "write-bulk"}
"""The plant has no tags ``a`` and ``b``, the session no item with the handle 1: exit code 21, and a result for each entry."""


def free_port() -> int:
    """Return the port of the seeds, or any other if that is taken."""
    with socket.socket() as probe:
        with suppress(OSError):
            probe.bind(("127.0.0.1", PORT))
            return PORT
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@asynccontextmanager
async def alarms(gateway: SimulatedGateway) -> AsyncIterator[None]:
    """Raise and clear an alarm again and again, and leave it raised."""

    async def toggle() -> None:
        while True:
            for level in (50.0, 95.0):
                gateway.set_tag("Tank01.Level", level)
                await asyncio.sleep(0.02)

    task = asyncio.ensure_future(toggle())
    try:
        yield
    finally:
        task.cancel()
        gateway.set_tag("Tank01.Level", 50.0)
        gateway.set_tag("Tank01.Level", 95.0)


async def test_the_command_lines_of_the_interface_run_unchanged(tmp_path: Path) -> None:
    keys, port, profiles = [SimulatedKey.parse(KEY)], free_port(), tmp_path / "config.toml"
    profiles.write_text(
        f'default-profile = "site"\n\n[profile.site]\nendpoint = "localhost:{port}"\nplaintext = true\n'
    )
    async with SimulatedGateway(port=port, api_keys=keys) as gateway:
        gateway.deploy(add=[PlantObject(900, "Object", Template("$Seed", attributes=(Attribute(name="Attribute"),)))])
        env = {"MXGATEWAY_API_KEY": KEY, "MXGATEWAY_CONFIG": str(profiles)}
        session_id, found = "", dict[str, Outcome]()
        for seed in SEEDS.splitlines():
            program, *words = shlex.split(seed.replace("<id>", session_id).replace(str(PORT), str(port)))
            assert program == "mxgw-py"
            async with alarms(gateway) if words[0] == "stream-alarms" else nullcontext():
                outcome = found[words[0]] = await fork(*words, env=env)
            assert outcome.code == (21 if words[0] in SOME_FAIL else 0), (seed, outcome)
            if words[0] == "open-session":
                session_id = outcome.document["sessionId"]

    documents = {name: outcome.document for name, outcome in found.items()}
    assert documents["register"]["serverHandle"] == 1
    assert documents["add-item"]["itemHandle"] == 2
    assert documents["stream-events"]["eventCount"] == 1
    assert documents["smoke"]["language"] == "python"
    assert documents["stream-alarms"]["messageCount"] == 10
    assert [len(documents[name]["results"]) for name in ("read-bulk", "write-bulk")] == [2, 2]
    assert [each["ok"] for each in documents["write-bulk"]["results"]] == [False, True]
    assert documents["acknowledge-alarm"]["reference"] == "Galaxy!Area1.Tank01.HiHi"
