"""Reads .proto files in pure Python."""
