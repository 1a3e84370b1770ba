"""Writes results: alarms, events, tags, deployments, objects."""
