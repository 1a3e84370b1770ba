"""The galaxy repository of the simulated plant."""
