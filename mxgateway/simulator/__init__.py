"""A simulated MXAccess Gateway: the real contract over real TCP, a plant that lives, and switches for what goes wrong."""

from mxgateway.simulator.auth import Scope, SimulatedKey
from mxgateway.simulator.calls import ReceivedCall
from mxgateway.simulator.clock import Clock, ManualClock, SystemClock
from mxgateway.simulator.gateway import SimulatedGateway
from mxgateway.simulator.history import ExecutedWrite, History, PublishedEvent
from mxgateway.simulator.options import SimulatedUser, SimulatorOptions
from mxgateway.simulator.plant import Plant
from mxgateway.simulator.plant_catalog import generated_plant, small_plant
from mxgateway.simulator.plant_model import (
    AlarmLimit,
    Attribute,
    Category,
    PlantObject,
    Security,
    Template,
    WriteRefusal,
)
from mxgateway.simulator.sessions import Session
from mxgateway.simulator.values import DataType

__all__ = [
    "AlarmLimit",
    "Attribute",
    "Category",
    "Clock",
    "DataType",
    "ExecutedWrite",
    "History",
    "ManualClock",
    "Plant",
    "PlantObject",
    "PublishedEvent",
    "ReceivedCall",
    "Scope",
    "Security",
    "Session",
    "SimulatedGateway",
    "SimulatedKey",
    "SimulatedUser",
    "SimulatorOptions",
    "SystemClock",
    "Template",
    "WriteRefusal",
    "generated_plant",
    "small_plant",
]
