"""From an endpoint to calls: grpclib hardened.

`channel` holds the connection to one gateway and replaces it when it has ended; `connecting` makes one; `http2` is one
connection, used once; `streams` is one RPC's stream on it; `calls` makes one RPC of it, with deadline and retries.
`counters` and `stats` count all of it. `http2.grpclib_seam` holds every name of grpclib and h2 that is relied on.
"""
