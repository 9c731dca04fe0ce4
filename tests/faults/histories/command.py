"""Plays a history through the command line: the program in processes of its own, whose clock is the history's.

It costs ten times what `play.py` does and has what that leaves out: settings, Dagster, sockets, locks, publishing.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from functools import partial
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import duckdb
import time_machine

from braket_etl.warehouse.connection import configured
from tests.faults.histories.draw import History, Step
from tests.faults.histories.play import PROFILES, Played, all_steps, asked_of, credentials, looked_at
from tests.faults.histories.world import World
from tests.faults.program import Forked, observe
from tests.forks import run_main
from tests.http_server import answered_by

#: So many of the steps that were drawn are played: a run of the program costs some seconds.
STEPS = 3


@contextmanager
def commanded(history: History, folder: Path) -> Iterator[Played]:
    """The last steps of a history, and what they left; raises AssertionError where the program ended as it should not."""
    history = replace(history, steps=history.steps[-STEPS:])
    folder.mkdir(parents=True, exist_ok=True)
    with answered_by(_handler(history.world)) as url:
        program = Forked(folder / "home", _settings(history, url, folder))
        for number, step in enumerate(all_steps(history)):
            history.world.step = number
            with time_machine.travel(step.at, tick=False):
                _run(program, step, history.world)
        with duckdb.connect(str(program.published), read_only=True) as connection:
            yield looked_at(history, configured(connection))


def _run(program: Forked, step: Step, world: World) -> None:
    what: Callable[[], None] = observe if step.kind == "observe" else run_main
    ended = program.begin(*_arguments(step), do=partial(_at, step.at, what)).ended()
    assert "Traceback" not in ended.stderr, ended.stderr
    if step.at < world.still:
        assert ended.returncode in (0, 1), ended.stderr
    else:
        out_of_reach = any(t.now(step.at) for each in world.troubles.values() for t in each)
        assert ended.returncode == out_of_reach, ended.stderr


def _arguments(step: Step) -> list[str]:
    match step.kind:
        case "backfill" | "again" if step.days is not None:
            first, last = step.days
            again = ["--again"] if step.kind == "again" else []
            return ["backfill", *again, "--from", first.isoformat(), "--to", last.isoformat()]
        case "retry":
            return ["rejects", "retry"]
    return ["sync"]


def _at(instant: datetime, what: Callable[[], None]) -> None:
    """Do it as if it were that instant; the time goes on from there."""
    time_machine.travel(instant, tick=True).start()
    sys.exit(what())


def _settings(history: History, url: str, folder: Path) -> dict[str, str]:
    names = {id_: name for name, id_ in PROFILES.items()}
    accounts = sorted({names[place.account_id] for place in history.places})
    return {
        **credentials(folder),
        "AWS_ENDPOINT_URL_BRAKET": url,
        "BRAKET_ETL_ACCOUNTS": json.dumps([{"name": name, "profile": name} for name in accounts]),
        "BRAKET_ETL_REGIONS": ",".join(sorted({place.region for place in history.places})),
        "BRAKET_ETL_START_DATE": history.first_day.isoformat(),
        "BRAKET_ETL_QUOTA_SHARE": "1",
        "BRAKET_ETL_RESULTS": "off",
    }


def _handler(world: World) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            content = self.rfile.read(int(self.headers["Content-Length"] or 0))
            place = asked_of(self.headers["Authorization"])
            answer = world.answer(self.command, self.path, content, place)
            self.send_response_only(answer.status)
            for name, value in {**answer.headers, "Content-Length": str(len(answer.body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(answer.body)

        do_POST = do_GET  # noqa: N815

    return Handler
