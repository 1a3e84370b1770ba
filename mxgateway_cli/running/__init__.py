"""How one invocation runs: the event loop, signals, logs, its settings."""
