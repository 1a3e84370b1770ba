"""From an endpoint to calls: a hardened grpclib.

`channel` holds the connection to one gateway and replaces it when it ends; `connecting` makes connections; `http2` is
one connection, used once; `streams` is one RPC's stream on it; `calls` is one RPC, with deadline and retries.
`stats` counts all of it. `http2.grpclib_seam` contains every name of grpclib and h2 that is used.
"""
