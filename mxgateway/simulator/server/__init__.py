"""HTTP/2, gRPC, keys and the two services of the simulated gateway."""
