"""A bounded queue between worker threads and one consumer who may leave at any time.

Belongs here: handing things over, and letting the workers go when the consumer is gone.
Does not belong here: what is handed over.
"""

from __future__ import annotations

import queue
import threading
from contextlib import suppress
from typing import Generic, TypeVar

from braket_etl.aws.throttle import Stopped

Item = TypeVar("Item")
_LOOK_AROUND = 0.2  # seconds between two looks at whether the consumer is still there


class Outbox(Generic[Item]):
    """Workers `put`, the consumer `get`s; after `close` no worker waits any longer, nor a consumer who is told to stop.

    A worker that fails hands its exception over with `fail`, and the consumer's `get` raises it.
    """

    def __init__(self, size: int, consumers_stop: threading.Event | None = None) -> None:
        self.stop = threading.Event()
        self._consumers_stop = consumers_stop
        self._queue: queue.Queue[tuple[Item | None, BaseException | None]] = queue.Queue(size)

    def put(self, item: Item) -> None:
        """Hand an item over, waiting for room. Raises Stopped when the consumer has left."""
        self._put((item, None))

    def fail(self, error: BaseException) -> None:
        """Hand over an exception that the consumer shall raise. Raises Stopped when the consumer has left."""
        self._put((None, error))

    def get(self) -> Item:
        """The next item, waiting for it; raises what a worker handed over by `fail`, and Stopped when told to stop."""
        if self._consumers_stop is None:
            return self._opened(self._queue.get())
        while not self._consumers_stop.is_set():
            with suppress(queue.Empty):
                return self._opened(self._queue.get(timeout=_LOOK_AROUND))
        raise Stopped

    def get_ready(self) -> list[Item]:
        """The next item if there is one already, else an empty list; raises like `get`."""
        try:
            return [self._opened(self._queue.get_nowait())]
        except queue.Empty:
            return []

    def close(self) -> None:
        """The consumer leaves."""
        self.stop.set()

    def _put(self, entry: tuple[Item | None, BaseException | None]) -> None:
        while not self.stop.is_set():
            try:
                self._queue.put(entry, timeout=_LOOK_AROUND)
            except queue.Full:
                continue
            return
        raise Stopped

    def _opened(self, entry: tuple[Item | None, BaseException | None]) -> Item:
        item, error = entry
        if error is not None:
            raise error
        return item  # type: ignore[return-value]  # one of the two is always set
