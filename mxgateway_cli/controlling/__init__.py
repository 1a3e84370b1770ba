"""The control of a simulated gateway that runs as another process: where it is, its key, its values."""
