"""The base classes of the generated messages and enums."""
