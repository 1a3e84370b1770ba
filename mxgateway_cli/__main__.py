"""Entry point of ``mxgw-py`` and of ``python -m mxgateway_cli``."""

from __future__ import annotations

import signal


def main() -> None:
    """Run the process's command line; Ctrl-C while the program is loaded ends it like any other, without a traceback."""
    interrupts = signal.getsignal(signal.SIGINT) is signal.default_int_handler  # else SIGINT is ignored: it stays so
    if interrupts:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from mxgateway_cli.main import main as run_and_exit

    if interrupts:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    run_and_exit()


if __name__ == "__main__":
    main()
