"""Calls with many entries: split into chunks, sent one after another, read ahead."""
