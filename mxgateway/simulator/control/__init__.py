"""The control of a simulated gateway while it runs: a listener and a service of its own."""
