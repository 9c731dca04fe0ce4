"""The emulator's command line: `python -m braket_emulator`."""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Sequence

from braket_emulator.options import DEFAULTS, Options, instant
from braket_emulator.process import Emulator


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve an emulator until interrupted; the exit code is 0, or 2 for options that make no sense."""
    parser = _parser()
    chosen = parser.parse_args(arguments)
    options = Options(
        port=chosen.port,
        seed=chosen.seed,
        tasks=chosen.tasks,
        jobs=chosen.jobs,
        days=chosen.days,
        accounts=chosen.accounts,
        regions=chosen.regions,
        now=chosen.now,
        frozen=chosen.frozen,
        rate=chosen.rate,
        quotas=not chosen.no_quotas,
        quick=chosen.quick,
        s3_endpoint=chosen.s3_endpoint,
        by_minute=chosen.by_minute,
    )
    from braket_emulator.server import serve  # uvicorn only where something is served

    try:
        serve(
            options,
            lambda url: print(greeting(url, options), flush=True),
            stop_at_end_of_input=chosen.stop_at_end_of_input,
        )
    except (ValueError, OSError) as error:
        print(f"braket_emulator: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        pass
    return 0


def greeting(url: str, options: Options) -> str:
    """What is said once an emulator is ready: its URL in a line of its own, then what to paste into a client's shell."""
    exports = (f"export {name}={shlex.quote(value)}" for name, value in Emulator(url, options).env().items())
    return "\n".join((url, "# Paste this into the shell of a client; the keys are dummies:", *exports))


def _parser() -> argparse.ArgumentParser:
    defaults = DEFAULTS
    parser = argparse.ArgumentParser(
        prog="python -m braket_emulator",
        description="A local Amazon Braket endpoint with a synthetic account. It listens on 127.0.0.1 only.",
        epilog="Clients may create and cancel tasks and jobs. Tags bend their fate: emulator:outcome "
        "(COMPLETED or FAILED), emulator:successful_shots, emulator:execution_ms, and in seconds emulator:wait, "
        "emulator:run, emulator:cancel. An S3 with the results answers below /s3/.",
    )
    add = parser.add_argument
    add("--port", type=int, default=defaults.port, help="port to listen on; 0 takes a free one")
    add("--seed", type=int, default=defaults.seed, help="equal seeds give equal accounts")
    add("--tasks", type=int, default=defaults.tasks, help="quantum tasks up to now")
    add("--jobs", type=int, default=defaults.jobs, help="hybrid jobs up to now")
    add("--days", type=int, default=defaults.days, help="days of history")
    add("--accounts", type=_listed, default=list(defaults.accounts), help="account ids, with commas")
    add("--regions", type=_listed, default=None, help="Regions, with commas; all of Braket's by default")
    add("--now", type=instant, default=None, help="end of the history and start of the clock, ISO-8601")
    add("--frozen", action="store_true", help="the clock stands still")
    add("--rate", type=float, default=defaults.rate, help="seconds of the clock a real second")
    add("--no-quotas", action="store_true", help="never throttle")
    add("--quick", action="store_true", help="what clients create is over at once")
    add("--s3-endpoint", default=None, help="S3 that also gets the results of created tasks, a URL")
    add("--by-minute", action="store_true", help="also draw a made-up QPU that is billed by the minute")
    add("--stop-at-end-of-input", action="store_true", help=argparse.SUPPRESS)
    return parser


def _listed(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


if __name__ == "__main__":
    sys.exit(main())
