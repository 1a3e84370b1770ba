"""Alarms: the feed, the active ones, their acknowledgement, and the board that keeps them right."""
