#!/bin/sh
# Dagster 1.13.27: on its default SQLite storage, three to four connections are opened for each event of a
# run, each with an engine of SQLAlchemy's own, so that no compiled statement is used twice; and as each is the last one on its
# file when it closes, SQLite writes the write-ahead log into the file and waits for the disk each time. A run of 20 assets with
# a check each, which do nothing, opens 511 connections for 167 events. Kept open (braket_etl/orchestration/storage.py), this
# project's sync with nothing new takes 0.7 of the time on a quiet disk (bench/dagster_cost.py) and took 0.35 on a busy one.
#
# Seen: dagster 1.13.27: 1 asset with a check: 15 events, 55 connections; 20 assets: 167 events, 511 connections
set -eu
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check "dagster==1.13.27"
cat > "$folder/run.py" <<'PY'
import logging
import sys
import tempfile
from pathlib import Path

opened = []
sys.addaudithook(lambda event, args: opened.append(args) if event == "sqlite3.connect" else None)

import dagster as dg

logging.disable()


def asset(number):
    @dg.asset(name=f"asset_{number}", check_specs=[dg.AssetCheckSpec("check", asset=f"asset_{number}")])
    def made():
        yield dg.MaterializeResult()
        yield dg.AssetCheckResult(passed=True, check_name="check")

    return made


seen = []
with tempfile.TemporaryDirectory() as home:
    (Path(home) / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    with dg.DagsterInstance.from_config(home) as instance:
        for count in (1, 20):
            assets = [asset(number) for number in range(count)]
            dg.materialize(assets, instance=instance)  # lays out what is only made once
            opened.clear()
            run = dg.materialize(assets, instance=instance)
            seen.append((len(instance.all_logs(run.run_id)), len(opened) - 1))
(few, few_opened), (many, many_opened) = seen
print(
    f"dagster {dg.__version__}: 1 asset with a check: {few} events, {few_opened} connections; "
    f"20 assets: {many} events, {many_opened} connections"
)
sys.exit(many_opened < 2 * many)
PY
"$folder/venv/bin/python" "$folder/run.py"
