"""What every verb shares: errors that a user can act on become one clear line and an exit code."""

from __future__ import annotations

import errno
import functools
import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from typing import Annotated, Any, ParamSpec

import typer
from typer.core import TyperGroup

from braket_etl import stopping
from braket_etl.cli.output import fail, warn

P = ParamSpec("P")
#: The option of verbs whose result a machine may read.
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
#: What Typer raises for arguments that cannot be read: Click's own class, or that of the copy which newer versions bring.
_USAGE_ERROR: Any = next(kind for kind in typer.BadParameter.__mro__ if kind.__name__ == "UsageError")
_KEPT = "what was stored by then is kept"


def verb(function: Callable[P, int]) -> Callable[P, None]:
    """The function as a command: its number becomes the exit code, a known error a line and an exit code."""

    @functools.wraps(function)
    def command(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            _warn_of_variables()
            code = function(*args, **kwargs)
        except KeyboardInterrupt as stop:
            with stopping.ending():
                fail(f"{stopping.told()}; {str(stop) or _KEPT}")
                stopping.leave("")
        except BrokenPipeError:  # a reader such as `head` has seen enough
            sys.stderr.close()
            code = 0
        except Exception as error:
            known = exit_code_of(error)
            if known is None:
                raise
            fail(_told(error))
            if kwargs.get("as_json") or kwargs.get("format_") == "json":
                print_error(_told(error), known)
            code = known
        raise typer.Exit(code)

    return command


def print_error(message: str, exit_code: int) -> None:
    """What went wrong on standard output, for whoever reads it as JSON."""
    print(json.dumps({"error": message, "exit_code": exit_code}))


class Verbs(TyperGroup):
    """The verbs; an option or argument that is none is told as JSON too, where JSON is asked for."""

    def make_context(self, info_name: str | None, args: list[str], *rest: Any, **more: Any) -> Any:
        """The context of the options before the verb."""
        self._wants_json = _asks_for_json(args)
        with self._usage_errors():
            return super().make_context(info_name, args, *rest, **more)

    def invoke(self, ctx: Any) -> Any:
        """Read the verb's own options and run it."""
        with self._usage_errors():
            return super().invoke(ctx)

    @contextmanager
    def _usage_errors(self) -> Iterator[None]:
        try:
            yield
        except _USAGE_ERROR as error:
            if self._wants_json:
                print_error(error.format_message(), error.exit_code)
            raise


def _asks_for_json(arguments: Sequence[str]) -> bool:
    """Whether the result is to be JSON, also where the arguments cannot be read."""
    return (
        "--json" in arguments or "--format=json" in arguments or ("--format", "json") in pairwise(arguments)
    )


def _warn_of_variables() -> None:
    """Tell which BRAKET_ETL_ variables are none; a mistyped one would be ignored without a word."""
    if any(name.upper().startswith("BRAKET_ETL_") for name in os.environ):
        from braket_etl.settings import unknown_variables

        for text in unknown_variables():
            warn(text)


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
