"""The one resource: the runtime that the settings make. Tests and the command line pass another in."""

from __future__ import annotations

import dagster as dg

from braket_etl.runtime import Runtime

RuntimeResource = dg.ResourceParam[Runtime]

#: The tag that says which settings-like choice started a run, shown in etl.runs.kind.
KIND_TAG = "braket_etl/kind"
HOST_TAG = "braket_etl/host"
PID_TAG = "braket_etl/pid"
