"""The galaxy: its areas, objects and attributes, and its deployments."""
