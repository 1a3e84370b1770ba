"""Every action of the simulated gateway, registered."""

from mxgateway.simulator.scenarios import fault_actions, network_actions, plant_actions
from mxgateway.simulator.scenarios.registry import ACTIONS, Action, Arguments, Outlook

__all__ = ["ACTIONS", "Action", "Arguments", "Outlook", "fault_actions", "network_actions", "plant_actions"]
