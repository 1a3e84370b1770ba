"""TCP between a client and a gateway: a proxy with faults."""
