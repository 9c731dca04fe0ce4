"""The command line: one module a group of verbs, each thin; what is heavy is imported inside the verb.

Exit codes: 0 done (perhaps with warnings), 1 something could not be had or done, 2 bad usage, configuration or
credentials, 130 and 143 stopped by Ctrl-C and by SIGTERM.
"""

import gc

from braket_etl import stopping

#: Python's own, 700, has the collector look through all that was loaded a dozen times while Dagster loads, for nothing.
_THRESHOLDS = 50_000, 20, 20


def main() -> None:
    """The entry point."""
    gc.set_threshold(*_THRESHOLDS)
    try:
        stopping.heed()
        from braket_etl.cli.app import app

        app()
    except (KeyboardInterrupt, SystemExit):
        if stopping.requested():  # before or after what a verb does
            stopping.leave(f"error: {stopping.told()}")
        raise
