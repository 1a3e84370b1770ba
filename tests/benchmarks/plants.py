"""How long a plant takes to load from the export of a large galaxy."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from mxgateway.generated.galaxy_repository import v1 as galaxy
from mxgateway.simulator import Plant, PlantObject, generated_plant
from mxgateway.simulator.galaxy.messages import ObjectWriter
from mxgateway.simulator.server.encoding import Encoding
from mxgateway.wire import to_json_dict
from tests.benchmarks.harness import Figure, Settings, Target, clock

TARGET: Final = Target(5, "s", at_least=False)


def figures(settings: Settings, folder: Path) -> Iterator[Figure]:
    """Yield the figure; `folder` is for the export."""
    path = folder / "site.jsonl"
    plant = generated_plant(settings.galaxy_objects, settings.galaxy_attributes)
    with path.open("w", encoding="utf-8") as file:
        file.writelines(exported(plant))
    taken = []
    for _ in range(settings.few_rounds):
        start = clock()
        if Plant.from_galaxy(path).attribute_count != plant.attribute_count:
            raise AssertionError("the export says something else")
        taken.append(clock() - start)
    seconds = sorted(taken)[len(taken) // 2]
    title = f"load the export of {settings.galaxy_objects:,} objects × {settings.galaxy_attributes} attributes"
    yield Figure(
        name="plant-export", title=title, unit="s", ours=seconds, other=None, other_name="", value=seconds, target=TARGET
    )  # fmt: skip


def exported(plant: Plant) -> Iterator[str]:
    """Yield the lines of ``galaxy-discover -o jsonl``; what objects share with their template is encoded once."""
    writer = ObjectWriter(Encoding())
    shared: dict[int, str] = {}
    for obj in plant.objects:
        if id(obj.template) not in shared:
            shared[id(obj.template)] = json.dumps(_document(writer, obj, with_attributes=True)["attributes"])
            shared[id(obj.template)] = shared[id(obj.template)].replace(f'"{obj.tag_name}.', '"\0.')
        head = json.dumps(_document(writer, obj, with_attributes=False)).removesuffix("}")
        yield f'{head}, "attributes": {shared[id(obj.template)]}}}\n'.replace("\0", obj.tag_name)


def _document(writer: ObjectWriter, obj: PlantObject, *, with_attributes: bool) -> dict[str, object]:
    page = writer.page(galaxy.DiscoverHierarchyReply(), [obj], with_attributes=with_attributes).message()
    found = dict(to_json_dict(page.objects[0]))
    found.setdefault("attributes", [])
    if not with_attributes:
        del found["attributes"]
    return found
