"""The alarms of the simulated plant, and their subscribers."""
