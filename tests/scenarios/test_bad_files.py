"""A wrong scenario is refused in one line with file and place, before anything is started."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from mxgateway.simulator import Scenario, SimulatedGateway
from tests.cli.in_process import run_here
from tests.rows import each_row
from tests.scenarios.rig import TAG, written

TIME = "TestMachine_001.LastCycle"
HEAD = "[[steps]]\n"
SET = f'set_tag = {{ tag = "{TAG}", value = 1 }}'

WRONG_FILES = [
    ("", "the key 'steps' is missing"),
    ("steps = []", "steps: there is no step"),
    ("steps = 7", "steps: this must be of type array"),
    (f"colour = 1\n{HEAD}{SET}", "colour: the key is unknown"),
    (f"{HEAD}{SET}\n{HEAD}colour = 1\n{SET}", "line 4: steps[1].colour: the key is unknown"),
    (f"{HEAD}at =\nafter = 1", "line 2"),
    (f'{HEAD}set_tag = {{ tag = "A', "end of document"),
    (f"{HEAD}at = 1", "line 1: steps[0]: a step has one action, not 0"),
    (f"{HEAD}{SET}\ndeploy = {{}}", "a step has one action, not 2: set_tag, deploy"),
    (f"{HEAD}at = -1\n{SET}", "steps[0].at: -1 is below 0"),
    (f"{HEAD}at = nan\n{SET}", "steps[0].at: this must be of type number"),
    (f"{HEAD}at = inf\n{SET}", "steps[0].at: this must be of type number"),
    (f'{HEAD}at = "soon"\n{SET}', "steps[0].at: this must be of type number, not 'soon'"),
    (f"{HEAD}at = 5\n{SET}\n{HEAD}at = 4\n{SET}", "line 5: steps[1].at: the steps are in order"),
    (f"{HEAD}at = 5\nafter = 1\n{SET}", "steps[0].after: give at or after, not both"),
    (f"{HEAD}times = 3\n{SET}", "steps[0].times: this needs every"),
    (f"{HEAD}at = 1e300\n{SET}", "steps[0].at: 1e+300 is above"),
    (f"{HEAD}step_clock = {{ seconds = -1e300 }}", "steps[0].step_clock.seconds: -1e+300 is below"),
    (f"{HEAD}skip_sequence = {{ count = 1000000000 }}", "steps[0].skip_sequence.count: 1000000000 is above"),
    (f'description = """\n[[steps]]\n"""\n{HEAD}at = "x"', "scenario.toml: line 5: steps[0].at"),
    (f"{HEAD}every = 0\n{SET}", "steps[0].every: 0 is below 0.001"),
    (f"{HEAD}dance = {{}}", "steps[0].dance: the key is unknown; known are"),
    (f"{HEAD}set_tag = {{ value = 1 }}", "steps[0].set_tag: the key 'tag' is missing"),
    (f"{HEAD}set_tag = {{ tag = 1 }}", "steps[0].set_tag.tag: this must be of type string"),
    (f'{HEAD}hold = {{ method = "Invoke.Dance" }}', "steps[0].hold.method: 'Invoke.Dance' is none of"),
    (f'{HEAD}fail_next = {{ method = "Invoke", status = "BAD" }}', "steps[0].fail_next.status: 'BAD' is none of"),
    (f'{HEAD}lose_events = {{ count = "two" }}', "steps[0].lose_events.count: this must be of type integer"),
    (f"{HEAD}lose_events = {{ count = 0 }}", "steps[0].lose_events.count: 0 is below 1"),
    (f'{HEAD}lose_events = {{ family = "x" }}', "steps[0].lose_events.family: 'x' is none of"),
    (f'{HEAD}deploy = {{ retype = {{ "A.B" = "number" }} }}', "steps[0].deploy.retype.A.B: 'number' is none of"),
    (f'{HEAD}deploy = {{ plant = "no.toml" }}', "steps[0].deploy.plant: no.toml: "),
    (f'{HEAD}add_key = {{ key = ["mxgw_x_s3cr3t"] }}', "steps[0].add_key.key: this must be of type string"),
    (f'{HEAD}add_key = {{ key = "s3cr3t" }}', "steps[0].add_key.key: an API key reads"),
    (f'{HEAD}when = {{}}\n{SET}', "steps[0].when: give one of tag, method"),
    (f'{HEAD}when = {{ sessions = 1, connections = 1 }}\n{SET}', "not 2 of them"),
    (f'{HEAD}when = {{ sessions = 1, times = 1 }}\n{SET}', "steps[0].when.times: this does not go with sessions"),
    (f'{HEAD}when = {{ tag = "{TAG}" }}\n{SET}', "steps[0].when.tag: give a value too"),
    (f'{HEAD}when = {{ tag = "{TAG}", above = 5, below = 5 }}\n{SET}', "nothing is above 5 and below 5"),
    (f'{HEAD}when = {{ tag = "{TAG}", equals = 5, quality = "bad" }}\n{SET}', "a tag of bad quality has no value"),
    (f'{HEAD}when = {{ method = "Dance" }}\n{SET}', "steps[0].when.method: 'Dance' is none of"),
]  # fmt: skip

UNFIT = [
    (f'{HEAD}set_tag = {{ tag = "Nobody.Level", value = 1 }}', "steps[0].set_tag: tag: the plant has no tag"),
    (f'{HEAD}set_tag = {{ tag = "{TAG}", value = "text" }}', "'text' is no INTEGER value"),
    (f'{HEAD}set_tag = {{ tag = "{TAG}", value = [1] }}', "array"),
    (f'{HEAD}set_tag = {{ tag = "{TIME}", value = 2024-05-06T07:08:09 }}', "steps[0].set_tag: "),
    (f'{HEAD}set_tag = {{ tag = "{TIME}", value = 2024-05-06 }}', "steps[0].set_tag: "),
    (f'{HEAD}set_tag = {{ tag = "{TIME}", value = 07:08:09 }}', "steps[0].set_tag: "),
    (f'{HEAD}set_tag = {{ tag = "{TIME}", value = 1{"0" * 40} }}', "steps[0].set_tag: "),
    (f'{HEAD}set_tag = {{ tag = "{TAG}", value = 1, quality = -1 }}', "quality: this must be a number from 0"),
    (f'{HEAD}deploy = {{ remove = ["{TAG}"] }}\n{HEAD}{SET}', "line 3: steps[1].set_tag: tag: the plant has no tag"),
    (f'{HEAD}deploy = {{ retype = {{ "{TAG}" = "string" }} }}\n{HEAD}{SET}', "steps[1].set_tag: 1 is no STRING value"),
    (f'{HEAD}deploy = {{ remove = ["Nobody"] }}', "steps[0].deploy: the plant has no object 'Nobody'"),
    (f'{HEAD}deploy = {{ add = {{ New = "Nobody" }} }}', "steps[0].deploy: add: the plant has no object 'Nobody'"),
    (f'{HEAD}raise_alarm = {{ alarm = "Galaxy!Area1.Tank01.Middle" }}', "steps[0].raise_alarm: alarm: the plant has no"),
    (f'{HEAD}serve_certificate = {{ certificate = "x.pem" }}', "steps[0].serve_certificate: the gateway does not serve"),
    (f'{HEAD}revoke_key = {{ key_id = "nobody" }}', "steps[0].revoke_key: key_id: the gateway has no key 'nobody'"),
    (f'{HEAD}when = {{ tag = "Nobody.Level", equals = 1 }}\n{SET}', "steps[0].when.tag: the plant has no tag"),
    (f'{HEAD}when = {{ tag = "{TAG}", equals = "x" }}\n{SET}', "steps[0].when.equals: '"),
    (f'{HEAD}when = {{ tag = "{TAG}[]", equals = [1] }}\n{SET}', "steps[0].when.tag: the plant has no tag"),
    (f'{HEAD}when = {{ tag = "{TAG}", above = 2147483647 }}\n{SET}', "steps[0].when.tag: 'TestChildObject.TestInt' never"),
    (f'{HEAD}when = {{ tag = "{TIME}", above = 1 }}\n{SET}', "steps[0].when.above: "),
    (f"{HEAD}when = {{ tag = 'TestMachine_001.Speed', equals = nan }}\n{SET}", "steps[0].when.equals: "),
    (f"{HEAD}when = {{ sessions = 65 }}\n{SET}", "steps[0].when.sessions: the gateway never has more than 64"),
    (
        f'{HEAD}when = {{ tag = "TestChildObject.RefusedInt", equals = 5 }}\n{SET}\n'
        f'{HEAD}set_tag = {{ tag = "TestChildObject.RefusedInt", value = 5 }}',
        "steps[0].when.tag: only line 4: steps[1] sets 'TestChildObject.RefusedInt', and it waits for this step",
    ),
]  # fmt: skip


@each_row(("text", "place"), WRONG_FILES)
def test_a_wrong_file_is_refused_in_one_line_with_its_place(tmp_path: Path, text: str, place: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(ValueError, match=r"scenario\.toml: ") as refused:
        Scenario.load(path)
    assert place in str(refused.value)
    assert "\n" not in str(refused.value)
    assert "s3cr3t" not in str(refused.value)


@each_row(("text", "place"), UNFIT)
async def test_what_a_gateway_cannot_play_is_refused_and_nothing_is_done(text: str, place: str) -> None:
    async with SimulatedGateway() as gateway:
        with pytest.raises(ValueError, match=r"scenario\.toml: ") as refused:
            gateway.play(Scenario.from_text(text))
        assert place in str(refused.value)
        assert "\n" not in str(refused.value)
        assert gateway.tag(TAG).sample.native == 17


def test_json_says_the_same_and_names_the_place(tmp_path: Path) -> None:
    good = {"description": "a change", "steps": [{"at": 1, "set_tag": {"tag": TAG, "value": 1}}]}
    scenario = Scenario.load(written(tmp_path, json.dumps(good), "good.json"))
    assert (scenario.description, scenario.steps[0].at, scenario.steps[0].place) == ("a change", 1, "line 1: steps[0]")
    bad = {"steps": [{"at": 1}]}
    with pytest.raises(ValueError, match=r"bad\.json: line 1: steps\[0\]: a step has one action"):
        Scenario.load(written(tmp_path, json.dumps(bad), "bad.json"))


def test_a_file_that_no_scenario_can_be_is_one_line_and_starts_nothing(tmp_path: Path) -> None:
    huge = tmp_path / "huge.toml"
    huge.touch()
    os.truncate(huge, 1 << 30)
    bytes_file = tmp_path / "bytes.toml"
    bytes_file.write_bytes(b"steps = '\xff\xfe'")
    deep = written(tmp_path, '{"steps": ' + "[" * 100_000, "deep.json")
    truncated = written(tmp_path, '{"steps": [{"at": 1', "truncated.json")
    unfit = written(tmp_path, UNFIT[0][0], "unfit.toml")
    for path in (huge, bytes_file, deep, truncated, unfit, tmp_path / "missing.toml", tmp_path):
        outcome = run_here("simulate", "--port", "0", "--scenario", str(path))
        assert outcome.code == 2, path
        assert not outcome.out
        assert outcome.err.startswith(f"error: {path}: "), outcome.err
        assert len(outcome.err.splitlines()) == 1, outcome.err


@pytest.mark.parametrize("text", ['"\\ud800"', '["a", "\\uDC00\\ud83d"]', '{"\\uDfff": 1}'])
def test_half_of_a_character_in_json_is_refused_with_its_place(text: str) -> None:
    said = f'{{"steps": [\n{{"set_tag": {{"tag": "{TAG}", "value": {text}}}}}]}}'
    with pytest.raises(ValueError, match=r"^s\.json: line 2: steps\[0\]\.set_tag\.value.*: a text has half of"):
        Scenario.from_text(said, name="s.json")
    whole = '{"description": "\\ud83d\\ude00", "steps": [{"go_away": {}}]}'
    assert Scenario.from_text(whole, name="s.json").description == "😀"


@pytest.mark.parametrize("name", ["s.toml", "s.json"])
def test_a_text_with_a_byte_order_mark_is_refused_as_its_file_is(name: str) -> None:
    with pytest.raises(ValueError, match=rf"^{name}: line 1: it begins with a byte order mark"):
        Scenario.from_text(f"\ufeff[[steps]]\n{SET}", name=name)
