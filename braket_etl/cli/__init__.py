"""The command line: one module a group of verbs, each thin; what is heavy is imported inside the verb.

Exit codes: 0 done (perhaps with warnings), 1 something could not be had or done, 2 bad usage, configuration or
credentials.
"""


def main() -> None:
    """The entry point."""
    from braket_etl.cli.app import app

    app()
