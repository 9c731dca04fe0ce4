"""Being told to stop: by Ctrl-C, by SIGTERM, by Terminate in the Dagster UI, which sends one of them.

Belongs here: noticing it, whatever the process is doing; how long what ends may still wait; telling a request to
stop from an error. Does not belong here: what is kept and published then (`orchestration/outside_dagster.py`,
`cli/pull.py`).

A signal raises KeyboardInterrupt in the main thread (Dagster's own exception while a step runs). Whoever catches it
to keep what has come does so in `ending`, which no further signal disturbs; a second one, on the command line, ends
the process at once, as kill -9 would.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from types import FrameType
from typing import Any, NoReturn

SIGNALS = (signal.SIGINT, signal.SIGTERM)
#: Seconds after the request in which what ends may wait for others; then there is still time to say so.
_WAITING = 6.0
_LEAST_WAITING = 0.2
#: A terminal and what started us may both send what was one Ctrl-C.
_ONE_REQUEST = 1.0
#: Code that swallows every exception, such as a finalizer, swallows the request too: then it is sent again.
_SENT_AGAIN = 2.0
_AT_ONCE = b"\nerror: ended at once, as asked twice; what was merged is kept, and the next run publishes it\n"


class Stop(KeyboardInterrupt):
    """The process was told to stop and has ended its work; str() says what became of it."""


@dataclass
class _Request:
    """What this process was told."""

    number: int | None = None
    """The signal; None where none came that is noticed here: steps of Dagster's daemon have its own handlers."""
    told: str = ""
    began_at: float | None = None
    """When it was told to stop, or, where that was not noticed, when somebody began to end its work."""
    is_heeded: bool = False
    """Whether somebody ends the work already."""


_request = _Request()


def heed() -> None:
    """Let Ctrl-C and SIGTERM end this process alike; called once, by its main thread."""
    reader, writer = socket.socketpair()
    writer.setblocking(False)
    # Seen by a thread even while the main thread is deep in a library that does not look at signals.
    signal.set_wakeup_fd(writer.detach(), warn_on_full_buffer=False)
    for number in SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:  # in the background of a shell script, say
            signal.signal(number, _raise)
    sys.unraisablehook = _not_the_request
    threading.Thread(target=_watch, args=(reader,), name="signals", daemon=True).start()


def _not_the_request(swallowed: sys.UnraisableHookArgs) -> None:
    """Show what a finalizer swallowed, but for the request to stop: that is sent again, and is no fault."""
    if not (isinstance(swallowed.exc_value, KeyboardInterrupt) and requested()):
        sys.__unraisablehook__(swallowed)


def request(told: str) -> None:
    """Stop this process as Ctrl-C does, for another reason, which is told in words."""
    _request.told = told
    os.kill(os.getpid(), signal.SIGINT)


def requested() -> bool:
    """Whether this process was told to stop."""
    return _request.number is not None


def exit_code() -> int:
    """What a process says that was stopped: 130 after Ctrl-C, 143 after SIGTERM."""
    return 128 + (_request.number or signal.SIGINT)


def told() -> str:
    """Who told it, in words."""
    by_signal = "by SIGTERM" if _request.number == signal.SIGTERM else "by Ctrl-C"
    return f"interrupted {_request.told or by_signal}"


def leave(message: str) -> NoReturn:
    """End a process that was told to stop now, whatever its threads still wait for; everything must be stored."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            if stream is sys.stderr and message:
                print(message, file=stream)
            stream.flush()
    os._exit(exit_code())


@contextmanager
def ending(error: BaseException | None = None) -> Iterator[None]:
    """Keep what has come, undisturbed: no signal raises in here any more, and nothing waits long for others.

    `error` is what ends the work; an ordinary one is no request to stop, and leaves everything as it is.
    """
    if isinstance(error, Exception):
        yield
        return
    if _request.began_at is None:
        _request.began_at = time.monotonic()
    _request.is_heeded = True
    try:
        with undisturbed():
            yield
    finally:
        if not requested():
            _request.began_at, _request.is_heeded = None, False


@contextmanager
def undisturbed() -> Iterator[None]:
    """Let no signal raise in here, by Dagster's handlers neither; only the main thread has handlers to change."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before: dict[int, Any] = {number: signal.signal(number, lambda *_: None) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler if handler is not None else signal.SIG_DFL)


def patience(seconds: float) -> float:
    """How many of these seconds may be waited for somebody else; few once the process was told to stop."""
    if _request.began_at is None:
        return seconds
    return min(seconds, max(_LEAST_WAITING, _request.began_at + _WAITING - time.monotonic()))


def hidden_in(error: BaseException | None) -> BaseException | None:
    """The request to stop that an error was made of: DuckDB raises a RuntimeError for it in the middle of a query."""
    while error is not None and isinstance(error, Exception):
        error = error.__cause__
    return error


def _note(number: int) -> None:
    if _request.number is None:
        _request.number = number
        if _request.began_at is None:
            _request.began_at = time.monotonic()


def _raise(number: int, _: FrameType | None) -> None:
    _note(number)
    if not _request.is_heeded:
        raise KeyboardInterrupt


def _watch(reader: socket.socket) -> None:
    """Read the numbers of the signals that came, for as long as the process lives."""
    main, seen, ours, first_at = threading.main_thread(), 0, 0, 0.0
    while True:
        reader.settimeout(_SENT_AGAIN if seen and not _request.is_heeded else None)
        try:
            number = reader.recv(1)[0]
        except TimeoutError:
            if main.ident is not None and not _request.is_heeded:
                ours += 1
                signal.pthread_kill(main.ident, signal.SIGINT)
            continue
        if number not in SIGNALS:
            continue
        if ours:
            ours -= 1
            continue
        seen += 1
        if seen == 1:
            first_at = time.monotonic()
            _note(number)
        elif time.monotonic() - first_at > _ONE_REQUEST:
            os.write(2, _AT_ONCE)
            os._exit(128 + number)
