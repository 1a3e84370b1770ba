"""One module per group of commands; `mxgateway_cli.help.registry` names them and imports them on demand."""
