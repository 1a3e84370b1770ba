"""Recordings of a gateway's events and alarms: written, read, and played to subscribers."""
