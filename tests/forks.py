"""The program in a process of its own, forked from one that has loaded it already.

It spares a command the loading, and is as real as `python -m braket_etl`: its own process, environment, files, signals
and end. What tests start through a shell, a wheel or `Program.start` is a Python of its own.
"""

from __future__ import annotations

import multiprocessing
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path

FORKS = multiprocessing.get_context("forkserver")
#: What a sync loads, at its start or when it comes to it.
FORKS.set_forkserver_preload(
    [
        "braket_etl.cli.app",
        "braket_etl.cli.pull",
        "braket_etl.definitions",
        "braket_etl.orchestration.storage",
        "dagster._core.instance.factory",
        "dagster._daemon.daemon",
        "matplotlib.backends.backend_svg",
        "matplotlib.figure",
        "pyarrow.dataset",
        "sqlalchemy.dialects.sqlite",
    ]
)


@dataclass
class Started:
    """A run of the program that was begun."""

    process: BaseProcess
    said: Path
    arguments: Sequence[str]

    @property
    def is_running(self) -> bool:
        return self.process.is_alive()

    def kill(self) -> None:
        """kill -9."""
        self.process.kill()
        self.process.join(30)

    def ended(self, seconds: float = 1200) -> subprocess.CompletedProcess[str]:
        """How it ended and what it said."""
        try:
            self.process.join(seconds)
        finally:
            is_late = self.process.is_alive()
            if is_late:
                self.kill()
        if is_late:
            raise TimeoutError(f"{' '.join(self.arguments)} did not end within {seconds:.0f} s")
        stdout, stderr = ((self.said / name).read_text("utf-8", "replace") for name in ("stdout", "stderr"))
        shutil.rmtree(self.said)
        code = self.process.exitcode
        return subprocess.CompletedProcess(list(self.arguments), -1 if code is None else code, stdout, stderr)


def begun(
    arguments: Sequence[str],
    environment: Mapping[str, str],
    *,
    do: Callable[[], None] | None = None,
    cwd: Path | None = None,
    daemon: bool = False,
) -> Started:
    """Run a verb, or with `do` something else, in this environment and folder.

    A `daemon` is killed where the tests end before it does; it cannot run steps in processes of their own.
    """
    said = Path(tempfile.mkdtemp(prefix="said-"))
    what = do or run_main
    process = FORKS.Process(
        target=_run, args=(what, arguments, environment, said, cwd or Path.cwd()), daemon=daemon
    )
    process.start()
    return Started(process, said, arguments)


def run_main() -> None:
    """The command line, with the arguments of this process."""
    from braket_etl.cli import main

    main()


def _run(
    what: Callable[[], None],
    arguments: Sequence[str],
    environment: Mapping[str, str],
    said: Path,
    cwd: Path,
) -> None:
    for number, name in ((1, "stdout"), (2, "stderr")):
        os.dup2(os.open(said / name, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), number)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(cwd)
    time.tzset()
    sys.argv = ["braket-etl", *arguments]
    what()
