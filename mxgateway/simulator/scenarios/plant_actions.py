"""Actions on the plant: its values, its deployments, its galaxy repository, its alarms."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from mxgateway.simulator.controls import Controls
from mxgateway.simulator.mxaccess.statuses import GOOD
from mxgateway.simulator.mxaccess.values import DataType, to_message
from mxgateway.simulator.plant.live_tags import native_value
from mxgateway.simulator.plant.model import Attribute
from mxgateway.simulator.plant.objects import Plant
from mxgateway.simulator.scenarios.kinds import AlarmName, TagName, Value
from mxgateway.simulator.scenarios.registry import Arguments, Outlook, action


def tag_in(plant: Plant, name: str) -> Attribute:
    """Return the attribute of a whole tag.

    Raises:
        LookupError: The plant has no such tag.
    """
    target = plant.find(name)
    if target is None or target.element is not None:
        raise LookupError(f"tag: the plant has no tag {name!r} then")
    return target.attribute


def _judge_tag(outlook: Outlook, arguments: Arguments) -> None:
    attribute = tag_in(outlook.plant, arguments["tag"])
    if not 0 <= arguments.get("quality", GOOD) <= 0xFFFF:
        raise ValueError("quality: this must be a number from 0 to 65535")
    if "value" in arguments:
        _check_value(attribute, arguments["value"])


def _check_value(attribute: Attribute, value: Any) -> None:
    """Refuse a value that is not of the attribute's type with a ValueError."""
    native = native_value(value)
    replace(attribute, value=native)
    to_message(attribute.data_type, native)


def _judge_alarm(outlook: Outlook, arguments: Arguments) -> None:
    alarm, plant = arguments["alarm"], outlook.plant
    parts = alarm.partition("!")[2].split(".", 2)
    obj = plant.object_by_tag(parts[1]) if len(parts) == 3 else None
    limits = [limit for each in obj.template.attributes for limit in each.alarms] if obj is not None else []
    known = {f"{plant.name}!{plant.area_of(obj)}.{obj.tag_name}.{each.name}".casefold() for each in limits if obj}
    if alarm.casefold() not in known:
        raise LookupError(f"alarm: the plant has no alarm {alarm!r} then")


def _judge_deployment(outlook: Outlook, arguments: Arguments) -> None:
    outlook.plant = _deployed(outlook.plant, outlook.first, **arguments)


@action(_judge_tag)
def set_tag(gateway: Controls, tag: TagName, value: Value | None = None, quality: int | None = None) -> None:
    """Set a tag's value, its quality, or both, as its provider would."""
    if value is None:
        gateway.set_tag(tag, gateway.tag(tag).sample.native, quality=GOOD if quality is None else quality)
    else:
        _check_value(gateway.tag(tag).attribute, value)
        gateway.set_tag(tag, value, quality=GOOD if quality is None else quality)


@action(_judge_deployment)
def deploy(
    gateway: Controls,
    plant: Plant | None = None,
    first: bool = False,
    add: dict[str, str] | None = None,
    remove: list[str] | None = None,
    rename: dict[str, str] | None = None,
    retype: dict[str, DataType] | None = None,
) -> None:
    """Deploy the galaxy: a plant file, the first plant again, or the present one with changes of objects and tags."""
    gateway.deploy(_deployed(gateway.plant, gateway.first_plant, plant, first, add, remove, rename, retype))


def _deployed(
    present: Plant,
    original: Plant,
    plant: Plant | None = None,
    first: bool = False,
    add: dict[str, str] | None = None,
    remove: list[str] | None = None,
    rename: dict[str, str] | None = None,
    retype: dict[str, DataType] | None = None,
) -> Plant:
    """Return the plant after a deployment.

    Raises:
        LookupError: There is no such object or tag.
        ValueError: Names are not unique.
    """
    base = plant or (original if first else present)
    new, number = [], max((obj.gobject_id for obj in base.objects), default=0)
    for place, (name, model) in enumerate((add or {}).items()):
        like = base.object_by_tag(model)
        if like is None:
            raise LookupError(f"add: the plant has no object {model!r} then")
        new.append(replace(like, gobject_id=number + 1 + place, tag_name=name, contained_name=""))
    return base.edited(add=new, remove=remove or (), rename=rename, retype=retype)


@action()
def hold_deploy_events(gateway: Controls) -> None:
    """Delay the events of deployments."""
    gateway.hold_deploy_events()


@action()
def release_deploy_events(gateway: Controls) -> None:
    """Send the delayed events of deployments."""
    gateway.release_deploy_events()


@action()
def chill_galaxy(gateway: Controls) -> None:
    """Empty the galaxy repository's cache, as before its first load."""
    gateway.galaxy.chill()


@action()
def load_galaxy(gateway: Controls) -> None:
    """Load the galaxy repository's cache."""
    gateway.galaxy.load()


@action()
def undeploy_galaxy(gateway: Controls) -> None:
    """Make the galaxy one that was never deployed."""
    gateway.galaxy.undeploy()


@action()
def galaxy_database(gateway: Controls, answers: bool) -> None:
    """Let the galaxy's database answer TestConnection, or not."""
    gateway.galaxy.database_answers = answers


@action(_judge_alarm)
def raise_alarm(gateway: Controls, alarm: AlarmName) -> None:
    """Raise an alarm, whatever its value; an active one is triggered again."""
    gateway.alarms.raise_alarm(alarm)


@action(_judge_alarm)
def clear_alarm(gateway: Controls, alarm: AlarmName) -> None:
    """Clear an alarm, whatever its value."""
    gateway.alarms.clear_alarm(alarm)


@action(_judge_alarm)
def acknowledge_alarm(gateway: Controls, alarm: AlarmName, comment: str = "", operator: str = "") -> None:
    """Acknowledge an active alarm."""
    if gateway.alarms.acknowledge(alarm, comment, operator):
        raise LookupError(f"the alarm {alarm!r} is not active")


@action()
def fail_over(gateway: Controls, degraded: bool, reason: str = "") -> None:
    """Switch the alarms to the subtags, degraded, or back to the alarm manager."""
    gateway.alarms.fail_over(degraded=degraded, reason=reason)
