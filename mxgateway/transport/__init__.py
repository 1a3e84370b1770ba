"""grpclib hardened: connector, connection, channel and calls.

From the outside in: `calls` makes one RPC and `server_stream` one that streams, of a `method`; `retry` and `backoff` say when it is tried again. `channel` holds the
connection to one gateway and replaces it, `connector` makes a connection (in steps: `resolver`, `happy_eyeballs`, `proxy`, `tls` with `trust` and `known_gateways`,
HTTP/2 greeting), `connection` is one HTTP/2 connection that is used once, with the turns of calls (`stream_slots`), its watch over a silent peer (`keepalive`) and
over a hostile one (`floods`). `open_stream` is one RPC on it, `reply_stream` its receiving half; `protocol` feeds them what the socket brings, and `frames`,
`request_headers`, `reply_headers` and `reply_status` are what they speak. `unattended` keeps calls that outlive a cancelled caller, `counters` counts all of it, `header_logs` keeps secrets out of hpack's log, and
`grpclib_seam` holds every name of grpclib and h2 that is relied on.
"""
