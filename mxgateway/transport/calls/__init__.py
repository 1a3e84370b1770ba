"""One RPC: unary or streaming, with its deadline and retries."""
