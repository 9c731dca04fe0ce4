"""The one resource: the runtime that the settings make. Tests and the command line pass another in."""

from __future__ import annotations

from typing import Any

import dagster as dg

from braket_etl.runtime import Runtime

RuntimeResource = dg.ResourceParam[Runtime]

#: Assets that are no tables.
OPEN_RECORDS = "open_records"
PUBLISHED = "published_warehouse"
CALLER_LOOKUPS = "caller_lookups"

#: The tag that says which settings-like choice started a run, shown in etl.runs.kind.
KIND_TAG = "braket_etl/kind"
#: The tag of jobs that repeat by themselves under another name than ours.
ROUTINE_TAG = "braket_etl/routine"
#: The process that runs a run, so that its death is noticed: see `instance.sign_run`.
HOST_TAG = "braket_etl/host"
PROCESS_TAG = "braket_etl/process"
#: The home that a backfill is for; a daemon that serves another one refuses it.
HOME_TAG = "braket_etl/home"


def own_key(context: Any, name: str) -> dg.AssetKey:
    """The key of an asset of this step in its project, which may have put a prefix before its name."""
    key: dg.AssetKey = next(key for key in context.assets_def.keys if key.path[-1] == name)
    return key
