"""Calls with many entries: split into chunks and sent one after another, with prefetch."""
