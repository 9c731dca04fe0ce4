"""What every verb shares: errors that a user can act on become one clear line and an exit code."""

from __future__ import annotations

import errno
import functools
import os
import sys
from collections.abc import Callable
from typing import Annotated, ParamSpec

import typer

from braket_etl.cli.output import fail

P = ParamSpec("P")
#: The option of verbs whose result a machine may read.
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
INTERRUPTED = 130


def verb(function: Callable[P, int]) -> Callable[P, None]:
    """The function as a command: its number becomes the exit code, a known error a line and an exit code."""

    @functools.wraps(function)
    def command(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            code = function(*args, **kwargs)
        except KeyboardInterrupt as stop:
            fail(
                f"interrupted; {stop or 'what had come by then is kept, and the next run goes on from there'}"
            )
            code = INTERRUPTED
        except BrokenPipeError:  # a reader such as `head` has seen enough
            sys.stderr.close()
            code = 0
        except Exception as error:
            known = exit_code_of(error)
            if known is None:
                raise
            fail(_told(error))
            code = known
        raise typer.Exit(code)

    return command


def exit_code_of(error: Exception) -> int | None:
    """The exit code for an error that a user can act on; None for a mistake of ours.

    Only modules that are loaded can have raised, so none is loaded to look.
    """
    if isinstance(error, _loaded("braket_etl.settings", "SettingsError")):
        return 2
    if isinstance(error, _loaded("braket_etl.aws.errors", "MissingCredentials", "BadConfiguration")):
        return 2
    if isinstance(error, _loaded("braket_etl.aws.errors", "AwsProblem")):
        return 1
    if isinstance(error, _loaded("braket_etl.warehouse.errors", "WarehouseError")):
        return 1
    if isinstance(error, _loaded("braket_etl.costs.errors", "CostError")):
        return 1
    if isinstance(error, OSError) and error.errno in _DISK:
        return 1
    return 1 if isinstance(error, _dagsters_database()) else None


#: What a disk does: it is full, or may not be written.
_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EACCES, errno.EPERM, errno.EROFS)


def _told(error: Exception) -> str:
    if isinstance(error, _dagsters_database()):
        where, what = os.environ.get("DAGSTER_HOME", "its home"), str(error).split("\n", 1)[0]
        return f"Dagster's database in {where} cannot be written: {what}. Make room there, or check owner and mode."
    return str(error)


def _dagsters_database() -> tuple[type[Exception], ...]:
    return _loaded("sqlalchemy.exc", "OperationalError")


def _loaded(module: str, *names: str) -> tuple[type[Exception], ...]:
    found = sys.modules.get(module)
    return tuple(getattr(found, name) for name in names) if found else ()
