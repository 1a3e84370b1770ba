from __future__ import annotations

import asyncio
import json
import os
import signal
from typing import Any

import pytest
from grpclib.const import Status

from mxgateway import proto
from mxgateway.simulator import SimulatedGateway, SimulatedKey
from mxgateway.simulator.plant.catalog import generated_plant
from tests.cli.gateway import KEY, Gateway
from tests.cli.in_process import refused
from tests.cli.process import PROGRAM, environment, finish, start
from tests.cli.terminal import terminal
from tests.rows import each_row

on_posix = pytest.mark.skipif(os.name == "nt", reason="needs a shell and pseudo-terminals")

TREE = """\
Area1  $Area
├── Pump01  $Pump
├── Tank01  $Tank
├── TestMachine_001  $TestMachine
│   ├── Child [TestChildObject]  $TestChildObject
│   └── Security [TestSecurity]  $TestSecurity
├── TestMachine_002  $TestMachine
└── TestMachine_003  $TestMachine
Area2  $Area
├── TankYard  $Area
│   └── Tank02  $SurgeTank
├── TestMachine_004  $TestMachine
├── TestMachine_005  $TestMachine
└── TestMachine_006  $TestMachine
Engine_001  $AppEngine
Platform_001  $WinPlatform
"""


def requests(gateway: Gateway) -> list[Any]:
    return [call.request for call in gateway.simulated.received if call.method == "DiscoverHierarchy"]


async def test_every_format_shows_every_object(gateway: Gateway) -> None:
    table = await gateway.mxgw("galaxy-discover")
    document = await gateway.mxgw("galaxy-discover", "--json")
    lines = await gateway.mxgw("galaxy-discover", "-ojsonl")
    names = await gateway.mxgw("galaxy-discover", "-ovalue")

    assert {each.code for each in (table, document, lines, names)} == {0}
    heading, *rows = table.out.splitlines()
    assert heading.split() == ["id", "parent", "tag", "name", "contained", "name", "category", "template", "attributes"]
    [child] = [row.split() for row in rows if "TestChildObject" in row]
    assert child == ["11", "5", "TestChildObject", "Child", "object", "$TestChildObject"]
    assert [list(document.document), document.document["objectCount"], document.document["restarts"]] == [
        ["operation", "restarts", "correlationId", "objectCount", "objects"], 16, 0,
    ]  # fmt: skip
    assert document.document["objects"] == lines.lines
    assert [each["tagName"] for each in lines.lines] == names.out.splitlines()
    assert len(rows) == len(lines.lines) == 16
    assert all("attributes" in each for each in lines.lines if each["tagName"].startswith("TestMachine"))


async def test_attributes_are_asked_for_where_they_are_shown(gateway: Gateway) -> None:
    await gateway.mxgw("galaxy-discover")
    await gateway.mxgw("galaxy-discover", "-ojsonl")
    without = await gateway.mxgw("galaxy-discover", "-ojsonl", "--no-attributes")
    references = await gateway.mxgw("galaxy-discover", "-ovalue", "--attributes", "--root-tag-name", "Tank01")

    assert [request.include_attributes for request in requests(gateway)] == [False, True, False, True]
    assert all("attributes" not in each for each in without.lines)
    assert references.out == "Tank01.Level\n"


async def test_the_tree_is_drawn_with_names_and_templates(gateway: Gateway) -> None:
    tree = await gateway.mxgw("galaxy-discover", "--tree")
    leaves = await gateway.mxgw("galaxy-discover", "--tree", "--attributes", "--root-contained-path", "Area2/TankYard")

    assert (tree.code, tree.err, tree.out) == (0, "", TREE)
    assert leaves.out.splitlines() == [
        "TankYard  $Area",
        "└── Tank02  $SurgeTank",
        "    └── .Level  Float  FreeAccess  historized  alarm",
    ]


async def test_every_filter_reaches_the_gateway(gateway: Gateway) -> None:
    outcome = await gateway.mxgw(
        "galaxy-discover", "--root-tag-name", "Area1", "--max-depth", "2", "--category-id", "10", "--category-id", "13",
        "--template-chain-contains", "Tank", "--template-chain-contains", "Pump", "--tag-name-glob", "*0?",
        "--alarm-bearing-only", "--historized-only", "--no-attributes", "--page-size", "7", "-ojsonl",
    )  # fmt: skip

    assert outcome.code == 0, outcome.err
    [request] = requests(gateway)
    assert (request.root_tag_name, request.max_depth, request.category_ids) == ("Area1", 2, [10, 13])
    assert (request.template_chain_contains, request.tag_name_glob) == (["Tank", "Pump"], "*0?")
    assert (request.alarm_bearing_only, request.historized_only, request.include_attributes) == (True, True, False)
    assert request.page_size == 7


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("--root-gobject-id", "15"), ["TankYard", "Tank02"]),
        (("--root-contained-path", "Area1/TestMachine_001/Child"), ["TestChildObject"]),
        (("--root-tag-name", "Area2", "--max-depth", "0"), ["Area2"]),
        (("--tag-name-glob", "tank*"), ["Tank01", "TankYard", "Tank02"]),
        (("--category-id", "13"), ["Area1", "Area2", "TankYard"]),
        (("--template-chain-contains", "surge"), ["Tank02"]),
        (("--alarm-bearing-only",), ["Tank01", "Tank02"]),
        (("--alarm-bearing-only", "--historized-only"), ["Tank02"]),
        (("--tag-name-glob", "Nothing*"), []),
    ],
)
async def test_filters_narrow_what_is_shown(gateway: Gateway, arguments: tuple[str, ...], expected: list[str]) -> None:
    outcome = await gateway.mxgw("galaxy-discover", *arguments, "-ovalue")

    assert (outcome.code, sorted(outcome.out.splitlines())) == (0, sorted(expected)), outcome.err


@pytest.mark.parametrize(
    ("arguments", "root"),
    [
        (("galaxy-discover", "--root-tag-name", "NoSuch"), "NoSuch"),
        (("galaxy-discover", "--root-gobject-id", "999"), "999"),
        (("galaxy-browse", "Area1/NoSuch"), "Area1/NoSuch"),
        (("galaxy-discover", "--tree", "--root-contained-path", "Area9"), "Area9"),
    ],
)
async def test_an_unknown_root_is_one_line_and_the_exit_code_of_not_found(
    gateway: Gateway, arguments: tuple[str, ...], root: str
) -> None:
    outcome = await gateway.mxgw(*arguments)

    assert outcome.code == 64 + Status.NOT_FOUND.value
    assert "Traceback" not in outcome.err
    [line] = [line for line in outcome.err.splitlines() if line.startswith("error: ")]
    assert root in line


@each_row(
    ("arguments", "says"),
    [
        (("galaxy-discover", "--max-depth", "-1"), "--max-depth"),
        (("galaxy-discover", "--page-size", "0"), "--page-size"),
        (("galaxy-discover", "--page-size", "5001"), "5000"),
        (("galaxy-discover", "--tag-name-glob", ""), "--tag-name-glob is empty"),
        (("galaxy-discover", "--tag-name-glob", "Tank\0"), "tag_name_glob"),
        (("galaxy-discover", "--template-chain-contains", ""), "--template-chain-contains is empty"),
        (("galaxy-discover", "--root-tag-name", ""), "--root-tag-name is empty"),
        (("galaxy-discover", "--root-gobject-id", "-3"), "--root-gobject-id"),
        (("galaxy-discover", "--root-gobject-id", str(2**31)), "root_gobject_id"),
        (
            ("galaxy-discover", "--root-gobject-id", "1", "--root-tag-name", "A"),
            "--root-gobject-id and --root-tag-name",
        ),
        (("galaxy-discover", "--category-id", "area"), "--category-id"),
        (("galaxy-discover", "--tree", "-ojsonl"), "--tree and -o jsonl contradict each other"),
        (("galaxy-discover", "--on-redeploy", "ignore"), "--on-redeploy"),
        (("galaxy-browse", "--depth", "0"), "--depth"),
        (("galaxy-browse", "A", "--parent-contained-path", "B"), "PATH and --parent-contained-path mean the same"),
        (("galaxy-browse", "A", "--parent-tag-name", "B"), "contradict each other"),
        (("galaxy-watch", "--count", "0"), "--count"),
    ],
)
def test_what_cannot_be_meant_so_is_wrong_usage(arguments: tuple[str, ...], says: str) -> None:
    outcome = refused(*arguments)

    assert (outcome.code, outcome.out) == (2, ""), outcome.err
    assert "Traceback" not in outcome.err
    assert says in outcome.err


# -- deployed meanwhile


def deploying(gateway: Gateway) -> Any:
    """Return what deploys the galaxy when the first page is on its way."""

    def replace(reply: Any) -> Any:
        gateway.simulated.deploy()
        return reply

    return replace


async def test_a_deployment_between_two_pages_is_one_line_with_the_remedy(gateway: Gateway) -> None:
    gateway.simulated.reply_override("DiscoverHierarchy", deploying(gateway))
    outcome = await gateway.mxgw("galaxy-discover", "--page-size", "5", "-ovalue")
    gateway.simulated.reply_override("DiscoverHierarchy", deploying(gateway))
    document = await gateway.mxgw("galaxy-discover", "--page-size", "5", "--json")

    assert outcome.code == document.code == 64 + Status.INVALID_ARGUMENT.value
    error, hint = outcome.err.splitlines()
    assert error.startswith("error: the galaxy was deployed between two pages")
    assert hint == "hint: --on-redeploy restart restarts the listing automatically"
    assert len(outcome.out.splitlines()) == 5
    assert (document.out, document.error["type"]) == ("", "MxGatewayRedeployError")


async def test_a_walk_begins_again_where_that_was_asked_for(gateway: Gateway) -> None:
    arguments = ("galaxy-discover", "--page-size", "5", "--on-redeploy", "restart")
    found = {}
    for form in (("-ojsonl",), ("--json",), ("--tree",)):
        gateway.simulated.reply_override("DiscoverHierarchy", deploying(gateway))
        found[form[0]] = outcome = await gateway.mxgw(*arguments, *form)
        assert outcome.code == 0, outcome.err

    lines = found["-ojsonl"].lines
    assert lines[5] == {"restart": {"cause": "redeploy", "restarts": 1}}
    assert lines[:5] == lines[6:11]
    assert len(lines) == 5 + 1 + 16
    assert "warning" in json.loads(found["-ojsonl"].err)
    document = found["--json"].document
    assert (document["restarts"], document["objectCount"], len(document["objects"])) == (1, 16, 16)
    assert found["--tree"].out == TREE
    assert "the galaxy was deployed meanwhile" in found["--tree"].err


async def test_a_chain_of_objects_is_drawn_as_deep_as_anybody_reads(gateway: Gateway) -> None:
    chain = [
        proto.GalaxyObject(gobject_id=number, parent_gobject_id=number - 1, tag_name="o") for number in range(1, 5001)
    ]
    reply = proto.DiscoverHierarchyReply(objects=chain, total_object_count=len(chain))
    gateway.simulated.reply_override("DiscoverHierarchy", lambda _: reply)
    outcome = await gateway.mxgw("galaxy-discover", "--tree")

    assert (outcome.code, len(outcome.out.splitlines())) == (0, 201)
    assert "4799 objects are not shown" in outcome.err


# -- large galaxies


@on_posix
async def test_the_first_object_of_a_large_galaxy_comes_at_once_and_a_closed_pipe_ends_it_quietly() -> None:
    async with SimulatedGateway(api_keys=[SimulatedKey.parse(KEY)], plant=generated_plant(5_000)) as simulated:
        gateway = Gateway(simulated)
        process = await start("galaxy-discover", "-ojsonl", "--plaintext", env=gateway.env)
        assert process.stdout is not None
        async with asyncio.timeout(30):
            first = json.loads(await process.stdout.readline())
        process.stdout._transport.close()  # type: ignore[attr-defined]
        outcome = await finish(process)

        assert first["tagName"]
        assert (outcome.code, outcome.err) == (0, "")
        assert len(requests(gateway)) < 10, "pages that nobody wanted were asked for"


@on_posix
async def test_ctrl_c_ends_a_long_list_between_two_objects() -> None:
    async with SimulatedGateway(api_keys=[SimulatedKey.parse(KEY)], plant=generated_plant(5_000)) as simulated:
        process = await start("galaxy-discover", "-ojsonl", "--plaintext", env=Gateway(simulated).env)
        assert process.stdout is not None
        await process.stdout.readline()
        process.send_signal(signal.SIGINT)
        outcome = await finish(process)

    assert (outcome.code, outcome.err) == (130, "")
    assert len(outcome.lines) < 5_000


@on_posix
async def test_head_gets_its_line_in_a_shell() -> None:
    async with SimulatedGateway(api_keys=[SimulatedKey.parse(KEY)], plant=generated_plant(3_000)) as simulated:
        command = f"set -o pipefail; {' '.join(PROGRAM)} galaxy-discover --plaintext -o jsonl | head -1"
        process = await asyncio.create_subprocess_exec(
            "bash", "-c", command, env=environment(Gateway(simulated).env),
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        outcome = await finish(process)

    assert (outcome.code, outcome.err, len(outcome.lines)) == (0, "", 1)


@on_posix
async def test_a_terminal_sees_how_far_it_is_where_no_results_come() -> None:
    async with SimulatedGateway(api_keys=[SimulatedKey.parse(KEY)], plant=generated_plant(1_200)) as simulated:
        env = Gateway(simulated).env
        async with terminal("galaxy-discover", "--json", "--no-attributes", "--plaintext", env=env) as screen:
            assert await screen.ended() == 0
            assert "galaxy-discover" in screen.text
            assert "1200/1200" in screen.text
        async with terminal("galaxy-discover", "-ovalue", "--plaintext", env=env) as screen:
            assert await screen.ended() == 0
            assert "1200/1200" not in screen.text


# -- level by level


async def test_browsing_asks_only_for_the_levels_that_are_shown(gateway: Gateway) -> None:
    top = await gateway.mxgw("galaxy-browse")
    asked = len([call for call in gateway.simulated.received if call.method == "BrowseChildren"])
    below = await gateway.mxgw("galaxy-browse", "Area2", "--depth", "2")

    assert asked == 1
    assert top.out.splitlines() == [
        "Area1  $Area  …", "Area2  $Area  …", "Engine_001  $AppEngine", "Platform_001  $WinPlatform",
    ]  # fmt: skip
    assert below.out.splitlines()[:2] == ["TankYard  $Area", "└── Tank02  $SurgeTank"]


async def test_a_place_to_browse_is_named_by_path_id_or_tag_name(gateway: Gateway) -> None:
    ways = (("area1/TestMachine_001",), ("--parent-gobject-id", "5"), ("--parent-tag-name", "TestMachine_001"))
    for way in ways:
        outcome = await gateway.mxgw("galaxy-browse", *way, "-ovalue")
        assert outcome.out.splitlines() == ["TestChildObject", "TestSecurity"]


async def test_browsed_objects_tell_path_level_and_whether_there_is_more(gateway: Gateway) -> None:
    document = await gateway.mxgw("galaxy-browse", "Area2", "--depth", "2", "--json", "--tag-name-glob", "Tank*")
    lines = await gateway.mxgw("galaxy-browse", "Area2", "--depth", "2", "-ojsonl", "--tag-name-glob", "Tank*")

    assert list(document.document) == ["operation", "correlationId", "objectCount", "objects"]
    assert document.document["objects"] == lines.lines
    yard, tank = lines.lines
    assert list(yard) == ["path", "level", "hasChildren", "object"]
    assert (yard["path"], yard["level"], yard["hasChildren"]) == ("Area2/TankYard", 1, True)
    assert (tank["path"], tank["level"], tank["hasChildren"]) == ("Area2/TankYard/Tank02", 2, False)
    assert tank["object"]["attributes"][0]["fullTagReference"] == "Tank02.Level"


async def test_names_of_the_galaxy_cannot_control_the_terminal(gateway: Gateway) -> None:
    def renamed(reply: Any) -> Any:
        reply.objects[0].tag_name = reply.objects[0].browse_name = "\x1b]0;owned\x07"
        return reply

    for form in ((), ("--tree",), ("-ovalue",), ("-ojsonl",)):
        gateway.simulated.reply_override("DiscoverHierarchy", renamed)
        outcome = await gateway.mxgw("galaxy-discover", *form)
        assert outcome.code == 0
        assert "owned" in outcome.out
        assert "\x1b" not in outcome.out
