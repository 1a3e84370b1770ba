"""The simulated gateway's server: HTTP/2, gRPC, keys and the two services."""
