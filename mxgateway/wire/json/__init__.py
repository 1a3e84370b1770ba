"""Canonical protobuf JSON, in both directions."""
