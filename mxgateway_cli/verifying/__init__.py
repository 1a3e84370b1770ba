"""Comparing many tags with what is expected of them, and waiting until they are as expected."""
