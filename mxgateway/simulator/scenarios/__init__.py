"""Scenarios: faults and changes of a simulated gateway, at given times or under conditions."""
