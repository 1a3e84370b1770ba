"""A plant from a table of tags, a CSV file; a wrong one is refused with its line and column."""

from __future__ import annotations

from pathlib import Path

import pytest

from mxgateway.simulator import DataType, ManualClock, Plant, Security
from mxgateway.simulator.files import schema
from mxgateway.simulator.plant.live_tags import LivePlant
from tests.plants.schemas import keys_of_behaviours

GOOD = """\
tag,type,value,length,area,security,historized,unit,hihi,lolo,behaviour,low,high,period,every,on,to,source,expression,lag
Tank01.Level,float,50,,Yard,tune,true,%,90,10,sine,5,95,120,0.5,,,,,
Tank01.Product,string,"Milk, whole",,,,,,,,,,,,,,,,,
tank01.Steps,integer,1;2;3,3,Yard,,,,,,,,,,,,,,,

Pump01.Command,boolean,true,,,,0,,,,,,,,,,,,,
Pump01.Run,boolean,,,,view_only,,,,,step,,,,,Pump01.Command,,,,
Pump01.Speed,double,10,,,,,1/min,,,expression,,,,,,,,"if(Run, Tank01.Level * 2, 0)",5
Pump01.Mode,string,Off,,,,,,,,step,,,,,Command,Auto,,,
"""


def written(folder: Path, text: str, name: str = "tags.csv") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8", newline="")
    return path


@pytest.mark.parametrize("text", [GOOD, "\ufeff" + GOOD.replace("\n", "\r\n")])
def test_a_table_describes_a_plant(tmp_path: Path, text: str) -> None:
    plant = Plant.load(written(tmp_path, text))
    assert [obj.tag_name for obj in plant.objects] == ["Yard", "Tank01", "Pump01"]
    level, product, steps = (
        plant.objects[1].template.by_name["level"],
        plant.find("Tank01.Product"),
        plant.find("Tank01.Steps[3]"),
    )
    assert (level.data_type, level.value, level.security, level.historized) == (DataType.FLOAT, 50, Security.TUNE, True)
    assert [(alarm.name, alarm.limit, alarm.above, alarm.severity) for alarm in level.alarms] == [
        ("Level.HiHi", 90, True, 900), ("Level.LoLo", 10, False, 900),
    ]  # fmt: skip
    assert level.interval == 0.5
    assert product is not None
    assert product.attribute.initial == "Milk, whole"
    assert steps is not None
    assert steps.attribute.initial == [1, 2, 3]
    assert plant.area_of(plant.objects[1]) == "Yard"
    unit = plant.find("Pump01.Speed.EngUnits")
    assert unit is not None
    assert unit.attribute.initial == "1/min"


def test_its_behaviours_are_those_of_other_files(tmp_path: Path) -> None:
    live = LivePlant(Plant.load(written(tmp_path, GOOD)), ManualClock())
    live.start()
    command, run, mode = (live.find(f"Pump01.{name}") for name in ("Command", "Run", "Mode"))
    assert command is not None
    assert run is not None
    assert mode is not None
    assert run[0].sample.native is False
    command[0].publish(command[0].sample)
    assert isinstance(live.clock, ManualClock)
    live.clock.advance(1)
    assert (run[0].sample.native, mode[0].sample.native) == (True, "Auto")


def test_every_key_of_a_behaviour_is_a_column(tmp_path: Path) -> None:
    for key in keys_of_behaviours(schema("plant", "plant.schema.json")):
        with pytest.raises(ValueError, match=r"tags\.csv: it has no tags"):
            Plant.load(written(tmp_path, f"tag,type,{key}\n"))


HEAD = "tag,type,value,length,area,hi,behaviour,low,high,period,noise,source,expression,file,historized,unit,to,on\n"
WRONG = [
    ("", "line 1: the column 'tag' is missing"),
    ("tag\nA.B\n", "line 1: the column 'type' is missing"),
    ("tag,type,colour\n", "line 1: the column 'colour' is unknown; known are tag, type, value"),
    ("tag;type;value\n", "line 1: the column 'tag;type;value' is unknown"),
    ("tag,Type,type\n", "line 1: the column 'type' is there twice"),
    (HEAD, "it has no tags"),
    (HEAD + "A,integer\n", "line 2, column tag: a tag is Object.Attribute"),
    (HEAD + ".B,integer\n", "line 2, column tag: a tag is Object.Attribute"),
    (HEAD + ",integer\n", "line 2, column tag: a tag is Object.Attribute"),
    (HEAD + "A.B,\n", "line 2, column type: the type is missing"),
    (HEAD + "A.B,number\n", "line 2, column type: 'number' is none of boolean, integer"),
    (HEAD + "A.B,integer\n\nA.B,integer\n", "line 4, column tag: the tag is on line 2 already"),
    (HEAD + "A.B,integer\na.b,integer\n", "line 3, column tag: the name is empty or taken"),
    (HEAD + "A!.B,integer\n", "line 2, column tag: a tag name is not empty and has none of"),
    (HEAD + "A.B,integer,,,Yard\nA.C,integer,,,Hall\n", "line 3, column area: the object is in the area 'Yard' already"),
    (HEAD + "A.B,integer,,,X.Y\n", "line 2, column area: a tag name is not empty and has none of"),
    (HEAD + "A.B,integer,,,a\n", "line 2, column tag: the name is taken"),
    (HEAD + "A.B,integer,x\n", "line 2, column value: 'x' is no integer"),
    (HEAD + "A.B,integer,1.5\n", "line 2, column value: '1.5' is no integer"),
    (HEAD + "A.B,integer,9999999999\n", "line 2, column value: 9999999999 is no INTEGER value"),
    (HEAD + "A.B,boolean,maybe\n", "line 2, column value: 'maybe' is no boolean"),
    (HEAD + "A.B,integer,1;2,3\n", "line 2, column value: this must be an array of 3 values"),
    (HEAD + "A.B,integer,1;x,2\n", "line 2, column value: 'x' is no integer"),
    (HEAD + "A.B,integer,,x\n", "line 2, column length: 'x' is no integer"),
    (HEAD + "A.B,integer,,-1\n", "line 2, column length: -1 is below 0"),
    (HEAD + "A.B,float,,,,x\n", "line 2, column hi: 'x' is no number"),
    (HEAD + "A.B,float,,,,inf\n", "line 2, column hi: this must be of type number"),
    (HEAD + "A.B,string,,,,5\n", "line 2, column hi: only a number or a boolean has alarms"),
    (HEAD + "A.B,float,,,,,wave\n", "line 2, column behaviour: 'wave' is none of constant"),
    (HEAD + "A.B,float,,,,,sine,5\n", "line 2, column behaviour: the key 'high' is missing"),
    (HEAD + "A.B,float,,,,,counter,5\n", "line 2, column low: the key is unknown"),
    (HEAD + "A.B,float,,,,,,5\n", "line 2, column low: this belongs to a behaviour, and the column 'behaviour' is empty"),
    (HEAD + "A.B,float,,,,,sine,5,1,9\n", "line 2, column low: it is above high"),
    (HEAD + "A.B,string,,,,,sine,5,6,9\n", "line 2, column behaviour: only a number or a boolean"),
    (HEAD + "A.B,float,,,,,sine,5,6,9,-1\n", "line 2, column noise: -1.0 is below 0"),
    (HEAD + "A.B,float,,,,,follow,,,,,A.C\n", "line 2, column source: A.B: it depends on 'A.C', which the plant does"),
    (HEAD + "A.B,float,,,,,follow,,,,,A.C\nA.C,float,,,,,follow,,,,,A.B\n", "line 2, column source: A.B: it depends on itself: A.B → A.C → A.B"),
    (HEAD + 'A.C,float\nA.B,float,,,,,expression,,,,,,"C +"\n', "line 3, column expression: column 4: a value is expected"),
    (HEAD + "A.B,float,,,,,replay,,,,,,,no.csv\n", "line 2, column file: no.csv: No such file"),
    (HEAD + "A.B,float,,,,,,,,,,,,,maybe\n", "line 2, column historized: 'maybe' is no boolean"),
    (HEAD + "A.C,float\nA.B,float,,,,,step,,,,,,,,,,x,A.C\n", "line 3, column to: 'x' is no number"),
    (HEAD + "A.B,float,,,,,,,,,,,,,,%\nA.B.EngUnits,string\n", "line 3, column tag: the name is empty or taken"),
    (HEAD + "A.B" + ",x" * 18 + "\n", "line 2: it has 19 cells, the first line has 18"),
    (HEAD + 'A.B,"integer\n', "line 2: unexpected end of data"),
    (HEAD + 'A.B,"x"y\n', "line 2: ',' expected after '\"'"),
    (HEAD + "A.B,string," + "x" * 200_000 + "\n", "line 2: a cell has more than 131,072 characters"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "said"), WRONG, ids=range(len(WRONG)))
def test_a_wrong_table_is_refused_in_one_line_with_line_and_column(tmp_path: Path, text: str, said: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(ValueError, match="tags") as refused:
        Plant.load(path)
    assert str(refused.value).startswith(f"{path}: {said}")
    assert "\n" not in str(refused.value)


def test_a_table_in_another_encoding_is_refused_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "tags.csv"
    path.write_bytes(b"tag,type\nA.B,float\nGr\xfcn.B,float\n")
    with pytest.raises(ValueError, match=r"tags\.csv: line 3: it is not UTF-8"):
        Plant.load(path)
