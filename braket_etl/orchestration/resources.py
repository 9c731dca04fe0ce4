"""The one resource: the runtime that the settings make. Tests and the command line pass another in."""

from __future__ import annotations

import dagster as dg

from braket_etl.runtime import Runtime

RuntimeResource = dg.ResourceParam[Runtime]

#: Assets that are no tables.
OPEN_RECORDS = "open_records"
PUBLISHED = "published_warehouse"
CALLER_LOOKUPS = "caller_lookups"

#: The tag that says which settings-like choice started a run, shown in etl.runs.kind.
KIND_TAG = "braket_etl/kind"
#: The process that runs a run, so that its death is noticed: see `instance.sign_run`.
HOST_TAG = "braket_etl/host"
PROCESS_TAG = "braket_etl/process"
#: The home that a backfill is for; a daemon that serves another one refuses it.
HOME_TAG = "braket_etl/home"
