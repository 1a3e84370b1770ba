"""The alarms of the simulated plant, and who is notified."""
