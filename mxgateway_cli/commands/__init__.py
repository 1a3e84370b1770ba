"""One module per group of commands; `mxgateway_cli.registry` names them and imports them on demand."""
