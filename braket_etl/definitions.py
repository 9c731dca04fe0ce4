"""What Dagster loads."""

from braket_etl.orchestration.build import build_defs

defs = build_defs()
