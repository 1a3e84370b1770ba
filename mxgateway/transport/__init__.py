"""grpclib hardened: connector, connection, channel and calls.

From the outside in: `calls` makes one RPC, `channel` holds the connection to one gateway and replaces it, `connector` makes a connection
(in steps: `resolver`, `happy_eyeballs`, `proxy`, `tls` with `trust` and `known_gateways`, HTTP/2 greeting), `connection` is one HTTP/2
connection that is used once, `reply_stream` is the receiving half of one RPC, and `frames`, `request_headers`, `reply_headers` and `reply_status` are what they speak.
`grpclib_seam` holds every name of grpclib and h2 that is relied on.
"""
