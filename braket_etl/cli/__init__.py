"""The command line: one module a group of verbs, each thin; what is heavy is imported inside the verb.

Exit codes: 0 done (perhaps with warnings), 1 something could not be had or done, 2 bad usage, configuration or
credentials, 130 and 143 stopped by Ctrl-C and by SIGTERM.
"""

from braket_etl import stopping


def main() -> None:
    """The entry point."""
    try:
        stopping.heed()
        from braket_etl.cli.app import app

        app()
    except (KeyboardInterrupt, SystemExit):
        if stopping.requested():  # before or after what a verb does
            stopping.leave(f"error: {stopping.told()}")
        raise
