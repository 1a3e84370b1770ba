"""`mxgw-py sim`: what each command does to the gateway, what it writes, and what it refuses in one line."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from mxgateway.simulator import ControlServer, ManualClock, SimulatedGateway
from tests.cli.batches import batch
from tests.cli.gateway import TAG, Gateway
from tests.cli.help.pages import pages
from tests.cli.in_process import mxgw, run_here
from tests.cli.process import Outcome
from tests.cli.test_every_command import SIM_ROWS
from tests.rows import each_row

LEVEL = "Tank01.Level"


async def sim(gateway: Gateway, *words: str, stdin: str = "") -> Outcome:
    return await mxgw("sim", *words, env=gateway.env, stdin=stdin)


def test_every_command_of_the_group_has_its_row_in_the_walks() -> None:
    assert {name for name in pages() if name.startswith("sim ")} == {*SIM_ROWS, "sim proto"}


async def test_a_tag_is_set_and_shown_as_its_own_type(gateway: Gateway) -> None:
    done = await sim(gateway, "set", LEVEL, "95.5", "--json")
    assert list(done.document) == ["operation", "tag", "value", "quality", "qualityText", "sourceTime", "ok", "error", "dataType"]  # fmt: skip
    assert (done.document["value"], done.document["quality"], done.document["dataType"]) == (95.5, 192, "float")
    assert gateway.simulated.tag(LEVEL).sample.native == 95.5

    assert (await sim(gateway, "set", TAG, "-7", "-o", "value")).out == "-7\n"
    assert (await sim(gateway, "set", "--item", TAG, "--value", "8", "-o", "value")).out == "8\n"
    assert (await sim(gateway, "set", TAG, "--quality", "0", "--json")).document["qualityText"].startswith("bad")
    assert (await sim(gateway, "set", "TestChildObject.TestIntArray[]", "4,5,6", "-o", "value")).out == "[4,5,6]\n"
    assert (await sim(gateway, "set", "TestChildObject.TestBool", "true", "-o", "value")).out == "true\n"

    wrong = await sim(gateway, "set", TAG, "abc")
    assert (wrong.code, wrong.out) == (2, "")
    assert f"the value of {TAG}" in wrong.err.splitlines()[0]


async def test_tags_have_an_outcome_each(gateway: Gateway) -> None:
    done = await sim(gateway, "get", TAG, "No.Such", "--json")
    assert done.code == 21
    assert [(each["tag"], each["value"], each["ok"]) for each in done.document["results"]] == [
        (TAG, 17, True),
        ("No.Such", None, False),
    ]
    assert done.document["failedCount"] == 1
    lines = (await sim(gateway, "get", TAG, LEVEL, "-o", "jsonl")).lines
    assert [each["tag"] for each in lines] == [TAG, LEVEL]
    assert (await sim(gateway, "get", "--items", f"{TAG},{LEVEL}", "-o", "value")).out.splitlines()[0] == "17"


@each_row(
    ("words", "action", "arguments"),
    [
        (("fail", "OpenSession", "--times", "2"), "fail_next", {"method": "OpenSession", "status": "UNAVAILABLE", "message": "", "times": 2}),
        (("drop", "--politely"), "drop_connections", {"politely": True}),
        (("restart", "--deployed"), "restart", {"down": 0.0, "deployed": True}),
        (("do", "hold", "method=OpenSession"), "hold", {"method": "OpenSession"}),
        (("do", "delay_replies", "seconds=0"), "delay_replies", {"seconds": 0}),
        (("do", "set_tag", f"tag={TAG}", "value=5"), "set_tag", {"tag": TAG, "value": 5}),
        (("do", "set_tag", "tag=TestChildObject.TestString", "value=five"), "set_tag", {"tag": "TestChildObject.TestString", "value": "five"}),
        (("do", "deploy", "remove=Pump01,Tank02", "rename=Tank01=Tank07", "first=true"), "deploy", {"remove": ["Pump01", "Tank02"], "rename": {"Tank01": "Tank07"}, "first": True}),
        (("do", "add_key", "key=mxgw_new_s3cr3tt3xt", "scopes=admin"), "add_key", {"key": "***", "scopes": ["admin"]}),
    ],
)  # fmt: skip
async def test_an_action_is_done_and_shown(
    gateway: Gateway, words: tuple[str, ...], action: str, arguments: dict[str, Any]
) -> None:
    done = await sim(gateway, *words, "--json")
    assert done.code == 0, done.err
    assert done.document == {"operation": f"sim-{words[0]}", "action": action, "arguments": arguments}
    assert "s3cr3tt3xt" not in done.out + done.err


async def test_a_crash_names_its_session(gateway: Gateway) -> None:
    session, other = await gateway.open_session(), await gateway.open_session()
    assert (await sim(gateway, "crash", session, "--reason", "because")).code == 0
    states = {name: each.state.name for name, each in gateway.simulated.sessions.items()}
    assert states == {session: "FAULTED", other: "READY"}


@each_row(
    ("words", "code", "says"),
    [
        (("do", "crash_wroker"), 2, "no such action 'crash_wroker'; did you mean crash_worker?"),
        (("actions", "nothing"), 2, "no such action 'nothing'"),
        (("do", "hold", "metod=X"), 2, "hold has no parameter 'metod'; did you mean method?"),
        (("do", "hold", "OpenSession"), 2, "'OpenSession' is no argument NAME=VALUE of hold; it takes method."),
        (("do", "go_away", "x=1"), 2, "go_away has no parameter 'x'; it takes none."),
        (("do", "hold", "method=OpenSession", "method=Invoke"), 2, "The argument 'method' is given twice."),
        (("do", "fail_next", "method=OpenSession", "status=INTERNAL", "times=two"), 2, "times: 'two' is no whole number."),
        (("do", "fail_next", "method=OpenSession", "status=INTERNAL", "times=1_0"), 2, "times: '1_0' is no whole number."),
        (("do", "delay_replies", "seconds=1_0"), 2, "seconds: '1_0' is no number."),
        (("do", "deploy", "rename=A=B,A=C"), 2, "'A=B,A=C' names 'A' twice."),
        (("do", "black_hole", "on=maybe"), 2, "on: 'maybe' is no true or false."),
        (("do", "deploy", "rename=Tank01"), 2, "rename: 'Tank01' is no list NAME=VALUE,NAME=VALUE."),
        (("do", "hold"), 67, "hold: the key 'method' is missing"),
        (("fail", "NoSuchMethod"), 67, "fail_next: method: 'NoSuchMethod' is none of OpenSession, "),
        (("crash",), 69, "crash_worker: no session is open"),
        (("set", "No.Such", "1"), 69, "tag: the plant has no tag 'No.Such'"),
        (("set", TAG), 2, "Give a value, or --quality, or both."),
        (("set",), 2, "Missing argument 'TAG'."),
        (("get",), 2, "Missing argument 'TAG'."),
        (("advance", "1"), 73, "the gateway's clock is the machine's own"),
        (("play", "no-such-file"), 2, "'no-such-file' does not exist"),
        (("do", "deploy", "plant=no-such.toml"), 67, f"deploy: plant: {os.path.abspath('no-such.toml')}: "),
        (("satus",), 2, "no such command 'satus'; did you mean status?"),
        (("status", "--timout", "1"), 2, "no such option --timout; did you mean --timeout?"),
    ],
)  # fmt: skip
async def test_what_is_wrong_is_one_line_and_an_exit_code(
    gateway: Gateway, words: tuple[str, ...], code: int, says: str
) -> None:
    outcome = await sim(gateway, *words)
    assert (outcome.code, outcome.out) == (code, ""), outcome.err
    assert says in outcome.err.splitlines()[0]
    assert len(outcome.err.splitlines()) <= 2
    assert "Traceback" not in outcome.err


async def test_a_scenario_shows_its_steps_and_its_paths_start_at_its_folder(gateway: Gateway, tmp_path: Path) -> None:
    (tmp_path / "plant.toml").write_text(
        '[templates.T.attributes]\nX = { type = "integer" }\n[objects]\nOther = { template = "T" }\n'
    )
    (tmp_path / "steps.toml").write_text('[[steps]]\ncrash_worker = {}\n[[steps]]\ndeploy = { plant = "plant.toml" }\n')
    done = await sim(gateway, "play", str(tmp_path / "steps.toml"), "--json")
    assert done.code == 21
    assert [(each["step"]["action"], each["step"]["failure"]) for each in done.lines] == [
        ("crash_worker", "no session is open"),
        ("deploy", ""),
    ]
    assert [obj.tag_name for obj in gateway.simulated.plant.objects] == ["Other"]
    assert done.error["message"] == "1 of 2 steps could not be done"

    (tmp_path / "steps.toml").write_text("[[steps]]\ngo_away = {}\n[[steps]]\nfoo = {}\n")
    wrong = await sim(gateway, "play", str(tmp_path / "steps.toml"))
    assert wrong.code == 67
    assert f"{tmp_path / 'steps.toml'}: line 4: steps[1].foo: the key is unknown" in wrong.err
    begun = await sim(gateway, "play", str(Path(__file__).with_name("drop.toml")), "--no-wait", "-o", "value")
    assert begun.out.strip().endswith("drop.toml")


async def test_the_status_counts_what_was_received(gateway: Gateway) -> None:
    session = await gateway.open_session()
    await gateway.mxgw("register", "--session-id", session)
    await sim(gateway, "fail", "CloseSession")
    found = (await sim(gateway, "status", "--json")).document
    assert (found["state"], found["sessionCount"], found["callCount"]) == ("running", 1, 2)
    assert found["calls"] == {"Invoke": 1, "Invoke.Register": 1, "OpenSession": 1}
    assert found["sessions"][0]["sessionId"] == session
    assert found["sessions"][0]["registrations"] == 1
    assert found["unused"] == ["1 of fail_next or refuse_next for CloseSession"]


async def test_a_manual_clock_is_moved() -> None:
    async with SimulatedGateway(clock=ManualClock()) as simulated, ControlServer(simulated) as control:
        moved = await sim(Gateway(simulated, control), "advance", "3600", "--json")
    assert moved.document == {"operation": "sim-advance", "seconds": 3600.0, "clock": "2024-05-06T08:08:09Z"}


async def test_actions_are_listed_with_their_parameters(gateway: Gateway) -> None:
    everything = (await sim(gateway, "actions", "--json")).document["actions"]
    assert len(everything) == 47
    (one,) = (await sim(gateway, "actions", "fail_next", "-o", "jsonl")).lines
    assert [each["name"] for each in one["parameters"]] == ["method", "status", "message", "times"]
    assert "Invoke.Write" in one["parameters"][0]["choices"]
    assert (await sim(gateway, "actions", "-o", "value")).out.splitlines()[0] == "fail_next"


async def test_lines_of_a_batch_control_it_too(gateway: Gateway) -> None:
    outcome = await batch(f"sim set {TAG} 5 -o value\nsim crash\nsim get {TAG} -o value\n", env=gateway.env)
    assert (outcome.answers[0], outcome.answers[2]) == ("5", "5")
    assert "no session is open" in outcome.failure(2)


def test_the_proto_file_is_printed_whole() -> None:
    printed = run_here("sim", "proto")
    root = Path(__file__).resolve().parents[3]
    published = (root / "mxgateway" / "control_protocol" / "simulator_control.proto").read_text(encoding="utf-8")
    assert printed.out == published


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ("sim do crash", ["crash_worker"]),
        ("sim do fail_next ", ["method=", "status=", "message=", "times="]),
        ("sim do fail_next method=OpenS", ["method=OpenSession"]),
        ("sim do black_hole on=", ["on=true", "on=false"]),
        ("sim fail Invoke.WriteSec", ["Invoke.WriteSecured", "Invoke.WriteSecured2", "Invoke.WriteSecuredBulk", "Invoke.WriteSecured2Bulk"]),
        ("sim fail OpenSession --status UNA", ["UNAVAILABLE", "UNAUTHENTICATED"]),
        ("sim st", ["status", "stop"]),
    ],
)  # fmt: skip
async def test_a_shell_is_offered_actions_parameters_and_choices(words: str, offered: list[str]) -> None:
    *before, begun = words.split(" ")
    env = {"_MXGW_PY_COMPLETE": "bash_complete", "COMP_WORDS": " ".join(["mxgw-py", *before, begun]), "COMP_CWORD": str(len(before) + 1)}  # fmt: skip
    outcome = await mxgw(env=env)
    assert [line.split(",")[1] for line in outcome.out.splitlines()] == offered, outcome.err
