"""Alarms: the feed, the active alarms, acknowledgements, and the board that survives faults."""
