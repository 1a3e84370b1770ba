"""The galaxy: which areas, objects and attributes there are, and when they were last deployed."""
