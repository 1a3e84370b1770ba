"""A simulated MXAccess Gateway: the real contract over real TCP, a live plant, and switches for faults."""

from mxgateway.simulator.certificates.making import MadeCertificate, make_certificate
from mxgateway.simulator.clock import Clock, ManualClock, SystemClock
from mxgateway.simulator.control.server import ControlServer
from mxgateway.simulator.gateway import SimulatedGateway
from mxgateway.simulator.history import ExecutedWrite, History, PublishedEvent
from mxgateway.simulator.mxaccess.sessions import Session
from mxgateway.simulator.mxaccess.values import DataType
from mxgateway.simulator.options import SimulatedUser, SimulatorOptions
from mxgateway.simulator.plant.catalog import generated_plant, small_plant
from mxgateway.simulator.plant.model import (
    AlarmLimit,
    Attribute,
    Category,
    PlantObject,
    Security,
    Template,
    WriteRefusal,
)
from mxgateway.simulator.plant.objects import Plant
from mxgateway.simulator.recording.player import Replay
from mxgateway.simulator.recording.reading import Recording
from mxgateway.simulator.recording.writing import RecordingWriter
from mxgateway.simulator.scenarios.play import Play, PlayedStep
from mxgateway.simulator.scenarios.scenario import Scenario, scenario_schema
from mxgateway.simulator.server.calls import ReceivedCall
from mxgateway.simulator.server.keys import Scope, SimulatedKey

__all__ = [
    "AlarmLimit",
    "Attribute",
    "Category",
    "Clock",
    "ControlServer",
    "DataType",
    "ExecutedWrite",
    "History",
    "MadeCertificate",
    "ManualClock",
    "Plant",
    "PlantObject",
    "Play",
    "PlayedStep",
    "PublishedEvent",
    "ReceivedCall",
    "Recording",
    "RecordingWriter",
    "Replay",
    "Scenario",
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
    "make_certificate",
    "scenario_schema",
    "small_plant",
]
