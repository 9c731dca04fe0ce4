#!/bin/sh
# Dagster 1.13.27: build_schedule_context(instance), called more than once and not used in a `with` block, leaves an instance set
# as the process's place of definitions' state, although each context was dropped: the second is entered before the first ends,
# and when both have ended the first one's is set again. Every Definitions that is resolved later in the process asks that
# instance, whatever instance it is for. Where its folder is gone, as a test's is, resolving definitions that have nothing to do
# with it fails with "unable to open database file". In a `with` block nothing is left.
#
# Seen: dagster 1.13.27: with: resolved; without: OperationalError
set -eu
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check "dagster==1.13.27"
cat > "$folder/run.py" <<'PY'
import contextlib
import gc
import shutil
import sys
import tempfile
from pathlib import Path

import dagster as dg


@dg.schedule(cron_schedule="@daily", job_name="job")
def nightly(_):
    return dg.SkipReason("nothing to do")


def resolved_after(is_closed):
    home = Path(tempfile.mkdtemp())
    (home / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    instance = dg.DagsterInstance.from_config(str(home))
    for _ in range(3):
        context = dg.build_schedule_context(instance)
        with context if is_closed else contextlib.nullcontext():
            nightly.evaluate_tick(context)
    del context
    instance.dispose()
    gc.collect()
    shutil.rmtree(home)
    try:
        dg.Definitions(assets=[dg.AssetSpec("unrelated")]).resolve_all_asset_specs()
    except Exception as error:
        return type(error).__name__
    return "resolved"


print(resolved_after(sys.argv[1] == "with"))
PY
seen="with: $("$folder/venv/bin/python" "$folder/run.py" with); without: $("$folder/venv/bin/python" "$folder/run.py" without)"
echo "dagster 1.13.27: $seen"
test "$seen" = "with: resolved; without: OperationalError"
