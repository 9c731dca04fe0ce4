"""`maintain`: the nightly maintenance, by hand."""

from __future__ import annotations

import json

from braket_etl.cli.output import say
from braket_etl.runtime import Runtime


def run_maintain(*, as_json: bool) -> int:
    """Compact where it is worth it, forget old runs, and say what that gave."""
    from braket_etl.orchestration.instance import ready_instance
    from braket_etl.orchestration.maintenance import (
        KEEP_DAYS,
        compact_and_publish,
        forget_old_runs,
        remove_leftovers,
    )

    runtime = Runtime()
    instance = ready_instance(runtime.settings)
    done = compact_and_publish(runtime)
    forgotten, leftovers = forget_old_runs(instance), remove_leftovers(instance)
    if as_json:
        sizes = {"bytes_before": done.before, "bytes_free": done.free, "bytes": done.after} if done else {}
        if done and done.files:
            sizes |= {"files_before": done.files[0], "files": done.files[1]}
        print(json.dumps({**sizes, "runs_forgotten": forgotten, "leftovers_removed": leftovers}))
        return 0
    if done is None:
        say("there is no warehouse yet")
    elif done.files is not None:
        say(f"the lake's tables are in {done.files[1]:,} files, after {done.files[0]:,}")
    elif done.was_done:
        say(f"the warehouse's file has {done.after / 1e6:,.1f} MB, after {done.before / 1e6:,.1f} MB")
    else:
        say(f"of the warehouse's {done.before / 1e6:,.1f} MB {done.free / 1e6:,.1f} are free: left as it is")
    say(
        f"forgot {forgotten} runs of more than {KEEP_DAYS} days ago, and the files of {leftovers} unknown ones"
    )
    return 0
