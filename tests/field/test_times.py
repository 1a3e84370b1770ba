"""`Timestamp`: what a datetime can do works or returns a plain datetime, and parsing is exact or refuses."""

from __future__ import annotations

import asyncio
from pathlib import Path

from mxgateway import GatewayClient, Timestamp
from mxgateway.simulator import ManualClock, SimulatedGateway
from tests.client.support import until
from tests.field.behaviours import Behaviour
from tests.galaxy.deployments import attached, deploy

BEHAVIOURS = [
    Behaviour(
        "what programs and libraries do with a datetime works",
        "wire/times/test_times_as_datetimes.py::test_what_a_datetime_can_do_works",
        (
            "wire/times/test_times_as_datetimes.py::test_the_current_time_is_aware",
            "wire/times/test_times_as_datetimes.py::test_every_constructor_makes_an_aware_time",
            "wire/times/test_times_as_datetimes.py::test_combining_without_a_zone_makes_a_plain_datetime",
            "wire/times/test_times_as_datetimes.py::test_copy_replace_keeps_the_remainder",
            "wire/times/test_times_as_datetimes.py::test_the_nanoseconds_of_another_class_count",
        ),
    ),
    Behaviour(
        "every kind of time zone shows the same instant, those of dateutil and pytz as well",
        "wire/times/test_times_as_datetimes.py::test_every_zone_shows_the_same_instant",
        ("wire/times/test_times_as_datetimes.py::test_an_inexact_time_keeps_its_parts_in_another_zone",),
    ),
    Behaviour(
        "fromisoformat and parse are exact or refuse",
        "wire/times/test_times_as_datetimes.py::test_an_iso_text_is_read_to_the_last_digit",
        (
            "wire/times/test_times_as_datetimes.py::test_an_iso_text_that_would_lose_something_is_refused",
            "wire/times/test_times_as_datetimes.py::test_its_own_texts_come_back",
            "wire/times/test_times_as_datetimes.py::test_other_texts_are_refused",
        ),
    ),
    Behaviour(
        "a deployment whose time was stored as text is not told as a new one",
        "field/test_times.py::test_a_deployment_whose_time_was_stored_as_text_is_known",
    ),
    Behaviour(
        "the docs say what orjson and sqlite3 need, and what they say works",
        "field/test_times.py::test_the_docs_say_what_other_libraries_need",
        (
            "wire/times/test_times_as_datetimes.py::test_sqlite_keeps_every_digit_with_an_adapter",
            "docs/test_examples.py::test_a_python_example_runs",
        ),
    ),
    Behaviour(
        "the JSON of a Duration that is not canonical is no other value",
        "wire/json/test_json_rules.py::test_a_duration_is_written_and_refused_as_google_does",
    ),
]


async def test_a_deployment_whose_time_was_stored_as_text_is_known() -> None:
    moment = Timestamp.from_parts(1_704_067_200, 947_098_900)
    clock = ManualClock(moment)
    async with (
        SimulatedGateway(clock=clock) as gateway,
        GatewayClient.connect(gateway.endpoint, api_key=gateway.api_key, plaintext=True) as client,
    ):
        for form in (str, Timestamp.isoformat, Timestamp.rfc3339):
            for read in (Timestamp.fromisoformat, Timestamp.parse):
                known = await client.galaxy.get_last_deploy_time()
                assert known is not None
                stored = read(form(known).replace(" ", "T"))
                assert stored.nanosecond == known.nanosecond == 900
                async with client.galaxy.watch_deploy_events(stored) as watch:
                    told = asyncio.ensure_future(anext(watch))
                    await until(lambda: attached(gateway))
                    await client.galaxy.test_connection()  # whatever the gateway says at once has come by now
                    assert not told.done()
                    deploy(gateway, clock)
                    assert await told
                await until(lambda: not attached(gateway))


def test_the_docs_say_what_other_libraries_need() -> None:
    pages = Path(__file__).parents[2].joinpath("docs").glob("*.md")
    text = "\n".join(page.read_text(encoding="utf-8") for page in pages)
    assert "orjson" in text
    assert "sqlite3.register_adapter" in text
