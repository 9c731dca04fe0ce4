"""Told to stop, the program ends within seconds and says what became of what had come; nothing that waits holds it up.

What an API can do meanwhile is in `tests/faults/stops.py`. No time is held against what a user is promised here: a bound
only tells an end from a process that hangs.
"""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import signal
import socket
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from pathlib import Path

import filelock
import pytest

from braket_emulator import Emulator
from braket_etl import holdups, stopping
from braket_etl.crew import Crew
from tests.conftest import Program
from tests.faults.stops import HANGS
from tests.integration.daemons import instance_of
from tests.processes import heeds, wait_for

NOWHERE = {
    "AWS_ACCESS_KEY_ID": "x",
    "AWS_SECRET_ACCESS_KEY": "y",
    "AWS_ENDPOINT_URL_BRAKET": "http://127.0.0.1:9",
    "BRAKET_ETL_REGIONS": "us-east-1",
}

# Finalizers: one in which a signal comes, and one with a fault of its own.
_SWALLOWED = """
import os, signal, time
from braket_etl import stopping

class Told:
    def __del__(self):
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(1)

class Wrong:
    def __del__(self):
        raise ValueError("of its own")

stopping.heed()
try:
    Wrong()
    Told()
    time.sleep(30)
except KeyboardInterrupt:
    stopping.leave(f"error: {stopping.told()}")
"""

# A query that never ends, in the middle of which a signal comes.
_IN_A_QUERY = """
import os, signal, sys, threading
from pathlib import Path
from braket_etl import stopping
from braket_etl.warehouse.file import FileWarehouse
from braket_etl.warehouse.statements import transaction
stopping.heed()
warehouse = FileWarehouse(Path(sys.argv[1]) / "writer", Path(sys.argv[1]) / "warehouse.duckdb")
threading.Timer(1, lambda: os.kill(os.getpid(), signal.SIGTERM)).start()
try:
    with warehouse.writing("asking for ever") as connection, transaction(connection):
        connection.execute("CREATE TABLE etl.half AS SELECT 1::BIGINT AS i")
        connection.execute("INSERT INTO etl.half SELECT range FROM range(1000000000000) WHERE hash(range) = 7")
except KeyboardInterrupt:
    with stopping.ending(), warehouse.writing("looking") as connection:
        found = connection.execute("SELECT count(*) FROM duckdb_tables() WHERE table_name = 'half'").fetchall()
    print(found, stopping.requested())
    stopping.leave("")
"""


def in_a_process(source: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run Python in a process of its own, which gets the folder as its argument; fails where it hangs."""
    return subprocess.run(
        [sys.executable, "-c", source, str(folder)],
        capture_output=True,
        text=True,
        timeout=HANGS,
        check=False,
    )


def test_a_query_that_never_ends_is_stopped_and_rolled_back(tmp_path: Path) -> None:
    done = in_a_process(_IN_A_QUERY, tmp_path)
    assert done.returncode == 143, done.stderr
    assert done.stdout.strip() == "[(0,)] True"


# A signal in the middle of statements that write, outside a transaction; the file is opened again after each.
_WRITING = """
import os, signal, sys, threading
from pathlib import Path
from braket_etl.warehouse.file import FileWarehouse
signal.signal(signal.SIGTERM, signal.default_int_handler)
warehouse = FileWarehouse(Path(sys.argv[1]) / "writer", Path(sys.argv[1]) / "warehouse.duckdb")
with warehouse.writing("making") as connection:
    connection.execute("CREATE TABLE etl.half AS SELECT 1::BIGINT AS i")
for statement in (
    "INSERT INTO etl.half SELECT range FROM range(1000000000000) WHERE hash(range) = 7",
    "CREATE TABLE etl.other AS SELECT range FROM range(1000000000000) WHERE hash(range) = 7",
    "UPDATE etl.half SET i = 1 WHERE i IN (SELECT range FROM range(1000000000000) WHERE hash(range) = 7)",
):
    try:
        with warehouse.writing("writing") as connection:
            threading.Timer(0.5, lambda: os.kill(os.getpid(), signal.SIGTERM)).start()
            connection.execute(statement)
    except KeyboardInterrupt:
        print("stopped", flush=True)
with warehouse.writing("looking") as connection:
    print(connection.execute("SELECT count(*) FROM etl.half").fetchall())
"""


def test_a_file_can_be_opened_again_after_a_statement_that_writes_was_stopped(tmp_path: Path) -> None:
    done = in_a_process(_WRITING, tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["stopped"] * 3 + ["[(1,)]"]


def test_the_request_to_stop_is_found_in_what_duckdb_makes_of_it() -> None:
    error = RuntimeError("Query interrupted")
    error.__cause__ = KeyboardInterrupt()
    assert stopping.hidden_in(error) is error.__cause__
    assert stopping.hidden_in(error.__cause__) is error.__cause__
    assert stopping.hidden_in(ValueError("5")) is None


def test_what_ends_waits_for_nobody_long() -> None:
    assert stopping.patience(600) == 600
    with stopping.ending():
        assert stopping.patience(600) < 10
        assert stopping.patience(0.1) == 0.1
    with stopping.ending(ValueError("no request to stop")):
        assert stopping.patience(600) == 600
    assert stopping.patience(600) == 600


def test_threads_that_hang_hold_up_no_process() -> None:
    hanging = (
        "import time; from braket_etl.crew import Crew\n"
        "with Crew(2, 'test') as crew: print([crew.submit(time.sleep, 3600).done() for _ in range(5)])"
    )
    done = subprocess.run([sys.executable, "-c", hanging], capture_output=True, timeout=HANGS, check=True)
    assert done.stdout == b"[False, False, False, False, False]\n"


def test_a_crew_gives_results_and_errors_and_forgets_what_it_has_not_begun() -> None:
    busy: Future[int] = Future()
    with Crew(2, "test") as crew:
        answers = [crew.submit(int, text) for text in ("1", "2", "x")]
        assert [answer.result(60) for answer in answers[:2]] == [1, 2]
        with pytest.raises(ValueError, match="invalid literal"):
            answers[2].result(60)
        for _ in range(2):
            crew.submit(busy.result)
        never = crew.submit(int, "3")
    assert never.cancelled()
    busy.set_result(0)


def test_what_holds_up_most_is_told() -> None:
    assert holdups.told() == ""
    with holdups.held_up(holdups.By.BUDGET, lambda: "the budget"):
        with holdups.held_up(holdups.By.LOCK, lambda: "the lock"):
            assert holdups.told() == "the lock"
        assert holdups.told() == "the budget"
    assert holdups.told() == ""


@contextmanager
def writer_busy(program: Program) -> Iterator[filelock.FileLock]:
    """Another program writes, and says so."""
    folder = program.home / "writer"
    folder.mkdir(parents=True, mode=0o700)
    told = {"purpose": "somebody's merge", "pid": 7, "host": "elsewhere", "since": "2026-11-20T12:00:00"}
    (folder / "warehouse.holder").write_text(json.dumps(told))
    lock = filelock.FileLock(folder / "warehouse.lock")
    with lock:
        yield lock


def has_begun(program: Program) -> bool:
    """Whether Dagster knows of a run that has begun."""
    if not list((program.home / "dagster").glob(".laid_out_by_*")):
        return False
    with instance_of(program) as instance:
        return any(run.status.value == "STARTED" for run in instance.get_runs())


def test_a_run_that_waits_for_another_writer_says_that_it_could_not_publish(program: Program) -> None:
    program.env = NOWHERE
    with writer_busy(program):
        process = program.start("sync", "--json", stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        wait_for(lambda: process.poll() is not None or has_begun(program), "the run begins")
        process.send_signal(signal.SIGTERM)
        out, said = process.communicate(timeout=HANGS)
    assert process.returncode == 143
    assert json.loads(out)["exit_code"] == 143
    assert b"interrupted by SIGTERM" in said
    assert b"not published: did not wait for" in said
    assert b"somebody's merge" in said
    assert b"Traceback" not in said
    with instance_of(program) as instance:
        assert [run.status.value for run in instance.get_runs()] == ["CANCELED"]


def test_a_second_signal_ends_it_at_once(program: Program) -> None:
    program.env = NOWHERE
    with writer_busy(program):
        process = program.start("sync", stderr=subprocess.PIPE)
        wait_for(lambda: process.poll() is not None or has_begun(program), "the run begins")
        process.send_signal(signal.SIGINT)
        time.sleep(2)  # what comes at once is the same request
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=HANGS)
    assert process.returncode == 143
    assert b"ended at once" in said


def test_recover_publishes_what_it_has_and_says_so(program: Program) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        program.env = {**NOWHERE, "AWS_ENDPOINT_URL_S3": f"http://127.0.0.1:{silent.getsockname()[1]}"}
        process = program.start("recover", "s3://bucket/tasks", stderr=subprocess.PIPE)
        silent.settimeout(HANGS * 10)
        silent.accept()
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=HANGS)
    assert process.returncode == 143, said
    assert b"interrupted by SIGTERM; what had come by then is stored and published" in said
    assert program.rows("SELECT kind, outcome FROM etl.runs") == [("recover", "failure")]


def test_before_any_verb_it_says_that_it_was_interrupted(program: Program) -> None:
    process = program.start("status", stderr=subprocess.PIPE)
    wait_for(lambda: process.poll() is not None or heeds(process.pid), "it listens")
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=HANGS)
    assert process.returncode == 143, said
    assert b"error: interrupted by SIGTERM" in said
    assert b"Traceback" not in said


def test_a_request_that_a_finalizer_swallows_is_sent_again_and_shown_to_nobody() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _SWALLOWED], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 143
    assert done.stderr.count("ValueError: of its own") == 1  # what else is swallowed is shown as ever
    assert "KeyboardInterrupt" not in done.stderr
    assert done.stderr.endswith("error: interrupted by SIGTERM\n")


def test_the_progress_bar_says_for_whom_it_waits(program: Program) -> None:
    program.env = NOWHERE
    with writer_busy(program):
        process, shown = begun_on_terminal(program, "sync")
        text = read_until(shown, lambda text: "waiting for somebody's merge (process 7 on elsewhere" in text)
        process.send_signal(signal.SIGINT)
        text += read_until(shown, lambda _: False)
    assert process.wait(HANGS) == 130
    assert "to finish writing" in text


def test_the_progress_bar_says_that_braket_throttles_and_never_counts_beyond_its_end(
    pulled: Program, emulator: Emulator
) -> None:
    found = pulled.rows("SELECT quantum_task_arn FROM quantum_tasks WHERE NOT is_terminal ORDER BY 1 LIMIT 2")
    emulator.set_faults(  # often enough that they come to the end of the line
        [{"kind": "throttle", "arns": [arn for (arn,) in found], "first_n": 4 * len(found)}]
    )
    process, shown = begun_on_terminal(pulled, "sync")
    text = read_until(shown, lambda _: False)
    assert process.wait(HANGS) == 0, text
    assert "throttled by Braket: GetQuantumTask in default/" in text
    counts = [(int(done), int(total)) for done, total in re.findall(r"(\d+)/(\d+)", text)]
    assert counts
    assert [pair for pair in counts if pair[0] > pair[1]] == []
    assert max(done for done, _ in counts) == max(total for _, total in counts)


def begun_on_terminal(program: Program, *arguments: str) -> tuple[subprocess.Popen[bytes], int]:
    """The program on a terminal of its own, and where what it writes can be read."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 220, 0, 0))
    process = subprocess.Popen(
        [sys.executable, "-m", "braket_etl", *arguments],
        env={**program.environment(), "TERM": "xterm", "COLUMNS": "220"},
        stdin=subprocess.DEVNULL,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    return process, ours


def read_until(shown: int, is_enough: Callable[[str], bool]) -> str:
    """What a terminal shows until it is enough, or until the program has ended."""
    written = bytearray()
    with suppress(OSError):  # the terminal is gone with its last writer
        while part := os.read(shown, 65_536):
            written += part
            if is_enough(written.decode(errors="replace")):
                break
    return written.decode(errors="replace")
