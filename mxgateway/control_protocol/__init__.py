"""The contract of a simulated gateway's control: its .proto file, its messages, and its values.

It is no part of the gateway's contract, and no client is bound to it.
"""
