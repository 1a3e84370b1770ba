"""Each command in each way to end that is not its own: exit code and stderr, as committed in ``ends.json``.

After a change that is meant, ``UPDATE_ENDS=1`` writes the file again.
"""

from __future__ import annotations

import asyncio
import json
import os
import shlex
import signal
import tempfile
from collections.abc import Iterator, Mapping, Sized
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Final

import pytest

from mxgateway.simulator import ControlServer, ManualClock, SimulatedGateway, SimulatedKey, SimulatorOptions
from tests.cli.forking import nursery
from tests.cli.gateway import KEY, TAG, Gateway
from tests.cli.process import LIMIT_SECONDS, Outcome, environment
from tests.cli.test_every_command import NEEDS_NO_GATEWAY, NO_FILE, PASSWORD, ROWS, SIM_ROWS, masked

pytestmark = pytest.mark.skipif(not nursery.AVAILABLE, reason="needs fork and the signals of POSIX")

ENDS: Final = Path(__file__).with_name("ends.json")
CALLING: Final = sorted(set(ROWS) - {"help", "version", "completion", "profile", "config", "contract", "batch", "sim"})
"""The commands whose row calls a gateway."""
CONTROLLING: Final = sorted(SIM_ROWS)
"""The commands whose row calls the control of a gateway."""
IMPATIENT: Final = {"wait": ("--timeout", "2")}
"""What a command is given that would wait long for a gateway."""
METHODS: Final = (
    "OpenSession", "CloseSession", "Invoke", "StreamEvents", "StreamAlarms", "QueryActiveAlarms", "AcknowledgeAlarm", "TestConnection",
    "GetLastDeployTime", "DiscoverHierarchy", "BrowseChildren", "WatchDeployEvents",
)  # fmt: skip
CONTROL_METHODS: Final = ("ListActions", "Do", "SetTag", "GetTag", "Play", "GetStatus", "AdvanceClock", "Stop")
SIGNALS: Final = {"SIGINT": 130, "SIGTERM": 143, "SIGHUP": 129}
AT_ONCE: Final = 4
WRONG: Final = {
    "wrong key": dict.fromkeys(("MXGATEWAY_API_KEY", "MXGATEWAY_CONTROL_KEY"), "mxgw_tests_wrong"),
    "nothing listens": dict.fromkeys(("MXGATEWAY_ENDPOINT", "MXGATEWAY_CONTROL"), "127.0.0.1:1"),
}
"""The variables of an end."""


class Run:
    """One command as a process at a gateway of its own.

    Args:
        name: The command.
        gateway: The gateway.
        more: Variables of its environment that differ.
    """

    def __init__(self, name: str, gateway: Gateway, more: Mapping[str, str] | None = None) -> None:
        self._name, self._gateway = name, gateway
        self._env = {**gateway.env, "PASSWORD": PASSWORD, "MXGATEWAY_CONFIG": NO_FILE, **(more or {})}

    async def prepare(self) -> None:
        """Open the session that the command's words name."""
        gateway, row = self._gateway, {**ROWS, **SIM_ROWS}[self._name]
        session = ""
        if "{session}" in row:
            session = await gateway.open_session()
            async with gateway.client() as client:
                attached = client.attach_session(session)
                await attached.advise(await attached.register("test"), await attached.add_item(1, TAG))
        self._before = len(self._received)
        name = self._name.split()
        self._words = (
            *name,
            *shlex.split(row.format(session=session)),
            *(() if name[0] in NEEDS_NO_GATEWAY else ("--plaintext",)),
            *IMPATIENT.get(self._name, ()),
        )

    @property
    def _received(self) -> Sized:
        """The calls of whom it calls."""
        control = self._gateway.control
        return self._gateway.simulated.received if control is None else control.received

    async def begin(self, stdout: int | None = None) -> None:
        """Start the command."""
        self._files = [tempfile.TemporaryFile() for _ in range(3)]  # noqa: SIM115 - closed at the end of the run
        streams = [file.fileno() for file in self._files]
        if stdout is not None:
            streams[1] = stdout
        self.child = nursery.begin(self._words, environment(self._env), streams)

    async def has_called(self) -> None:
        """Wait until the gateway has a call of it."""
        async with asyncio.timeout(LIMIT_SECONDS):
            while len(self._received) == self._before:
                await asyncio.sleep(0.005)

    async def end(self) -> Outcome:
        """Wait for its end."""
        try:
            async with asyncio.timeout(LIMIT_SECONDS):
                code = await self.child.exit_code()
            for file in self._files:
                file.seek(0)
            return masked(Outcome(code, self._files[1].read().decode(), self._files[2].read().decode()))
        finally:
            self.child.kill()
            self.child.close()
            for file in self._files:
                file.close()


@contextmanager
def held(gateway: Gateway) -> Iterator[None]:
    """Let no call be answered during the block: of the control, if there is one."""
    control = gateway.control
    switches = gateway.simulated.switches if control is None else control.switches
    methods: tuple[str, ...] = METHODS if control is None else CONTROL_METHODS
    for method in methods:
        switches.gate(method).hold()
    yield
    for method in methods:
        switches.gate(method).release()


async def by_signal(run: Run, gateway: Gateway, end: str) -> Outcome:
    """End a command that waits for a reply."""
    await run.prepare()
    with held(gateway):
        await run.begin()
        await run.has_called()
        os.kill(run.child.pid, signal.Signals[end])
    return await run.end()


async def by_restart(run: Run, gateway: Gateway) -> Outcome:
    """Restart the gateway while a command waits for a reply."""
    await run.prepare()
    with held(gateway):
        await run.begin()
        await run.has_called()
        await gateway.simulated.restart()
    return await run.end()


async def by_closed_pipe(run: Run) -> Outcome:
    """Run a command whose stdout nobody reads."""
    await run.prepare()
    reading, writing = os.pipe()
    os.close(reading)
    try:
        await run.begin(writing)
    finally:
        os.close(writing)
    return await run.end()


async def ended(name: str, end: str, slots: asyncio.Semaphore) -> object:
    """Return the exit code of a command and, where they do not vary, the lines of its stderr."""
    options = SimulatorOptions(session_limit=100)
    clock = ManualClock() if name == "sim advance" else None
    async with (
        slots,
        SimulatedGateway(api_keys=[SimulatedKey.parse(KEY)], options=options, clock=clock) as simulated,
        ControlServer(simulated) if name in CONTROLLING else nullcontext() as control,
    ):
        gateway = Gateway(simulated, control)
        if end in SIGNALS:
            outcome = await by_signal(Run(name, gateway), gateway, end)
        elif end == "restart":
            outcome = await by_restart(Run(name, gateway), gateway)
        elif end == "closed pipe":
            outcome = await by_closed_pipe(Run(name, gateway))
        else:
            more = WRONG[end]
            run = Run(name, gateway, more)
            await run.prepare()
            await run.begin()
            outcome = await run.end()
    assert "Traceback" not in outcome.err
    if end == "restart":
        return outcome.code  # the words depend on what the command was just doing
    return [outcome.code, list(dict.fromkeys(outcome.err.splitlines()))]  # a warning may come once more


@pytest.mark.parametrize("end", [*SIGNALS, "restart", "closed pipe", "wrong key", "nothing listens"])
async def test_every_command_ends_as_expected(end: str) -> None:
    slots = asyncio.Semaphore(AT_ONCE)
    names = [
        name for name in (*CALLING, *CONTROLLING) if (name, end) != ("doctor", "restart")
    ]  # it reports what it finds, before or after
    outcomes = await asyncio.gather(*(ended(name, end, slots) for name in names))
    found = dict(zip(names, outcomes, strict=True))
    expected = json.loads(ENDS.read_text()) if ENDS.exists() else {}
    if os.environ.get("UPDATE_ENDS"):
        ENDS.write_text(json.dumps(dict(sorted({**expected, end: found}.items())), indent=1, ensure_ascii=False) + "\n")
    else:
        assert found == expected[end]
