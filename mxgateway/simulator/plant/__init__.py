"""The simulated plant: its objects, and their live values."""
