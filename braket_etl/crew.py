"""Threads that do work which may hang, such as a request that is never answered, and that hold up no process.

The pools of `concurrent.futures` are waited for when the process ends, however long their requests take.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class Crew:
    """At most so many threads, begun as they are needed; at the end of the block they are let go, not waited for."""

    def __init__(self, threads: int, name: str) -> None:
        self._most = threads
        self._name = name
        self._threads = 0
        self._work: queue.SimpleQueue[tuple[Future[Any], Callable[[], Any]] | None] = queue.SimpleQueue()

    def submit(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Have the work done when a thread is free."""
        future: Future[T] = Future()
        self._work.put((future, lambda: work(*args, **kwargs)))
        if self._threads < self._most:
            self._threads += 1
            name = f"{self._name} {self._threads}"
            threading.Thread(target=self._run, name=name, daemon=True).start()
        return future

    def close(self) -> None:
        """What was not begun never is; each thread ends after what it is doing."""
        while True:
            try:
                waiting = self._work.get_nowait()
            except queue.Empty:
                break
            if waiting is not None:
                waiting[0].cancel()
        for _ in range(self._threads):
            self._work.put(None)

    def __enter__(self) -> Crew:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _run(self) -> None:
        while (given := self._work.get()) is not None:
            future, work = given
            if not future.set_running_or_notify_cancel():
                continue
            try:
                result = work()
            except BaseException as error:  # noqa: BLE001 - raised where the result is asked for
                future.set_exception(error)
            else:
                future.set_result(result)
            del given, future, work
