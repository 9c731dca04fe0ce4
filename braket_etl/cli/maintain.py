"""`maintain`: the nightly maintenance, by hand, and the repair of rows that share a key."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from braket_etl.cli.output import fail, say, warn
from braket_etl.runtime import Runtime

if TYPE_CHECKING:  # Dagster takes most of a second to load
    from braket_etl.orchestration.maintenance import Maintained


def run_maintain(*, repair: bool, as_json: bool) -> int:
    """Look over all keys, compact where it is worth it, forget old runs; 1 where a check holds publishing back."""
    from braket_etl.orchestration.instance import ready_instance
    from braket_etl.orchestration.maintenance import (
        KEEP_DAYS,
        forget_old_runs,
        maintain_warehouse,
        remove_leftovers,
    )

    runtime = Runtime()
    instance = ready_instance(runtime.settings)
    done = maintain_warehouse(runtime, repair=repair)
    forgotten, leftovers = forget_old_runs(instance), remove_leftovers(instance)
    held = done.held_back if done else None
    code = 1 if held else 0
    if as_json:
        runs = {"runs_forgotten": forgotten, "leftovers_removed": leftovers}
        print(json.dumps({**_as_json(done), **runs, "exit_code": code}))
    else:
        _tell(done, repair=repair)
        say(
            f"forgot {forgotten} runs of more than {KEEP_DAYS} days ago, and the files of {leftovers} unknown ones"
        )
    for what in done.found if done else ():
        warn(what)
    if held:
        fail(str(held))
    return code


def _as_json(done: Maintained | None) -> dict[str, object]:
    if done is None:
        return {}
    sizes = done.compaction
    told: dict[str, object] = {
        "bytes_before": sizes.before,
        "bytes_free": sizes.free,
        "bytes": sizes.after,
        "repaired": {each.table: {"keys": each.keys, "rows_gone": each.rows_gone} for each in done.merged},
        "held_back": str(done.held_back) if done.held_back else None,
    }
    if sizes.files:
        told |= {"files_before": sizes.files[0], "files": sizes.files[1]}
    return told


def _tell(done: Maintained | None, *, repair: bool) -> None:
    if done is None:
        say("there is no warehouse yet")
        return
    for each in done.merged:
        say(str(each))
    if repair and not done.merged:
        say("no key stands twice: nothing was repaired")
    sizes = done.compaction
    if sizes.files is not None:
        say(f"the lake's tables are in {sizes.files[1]:,} files, after {sizes.files[0]:,}")
    elif sizes.was_done:
        say(f"the warehouse's file has {sizes.after / 1e6:,.1f} MB, after {sizes.before / 1e6:,.1f} MB")
    else:
        say(
            f"of the warehouse's {sizes.before / 1e6:,.1f} MB {sizes.free / 1e6:,.1f} are free: left as it is"
        )
