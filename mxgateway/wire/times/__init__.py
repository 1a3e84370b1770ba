"""Timestamps and durations, exact to the nanosecond."""
