"""How results are written: alarms, events, tags, deployments, objects."""
