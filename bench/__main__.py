"""All benchmarks as one table: ours, the peer's or the limit's, the ratio, the goal.

    python -m bench [--quick] [--write] [PART…]

A part that fails is told, and the others go on; the exit code is 1 then. `--write` puts the table into
docs/performance.md, with what docs/performance.json keeps of the parts that were not measured now. `--quick` measures
little of everything, to see that it works: its figures mean nothing.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import sys
import time
import traceback
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from importlib import import_module
from importlib.metadata import version
from pathlib import Path

from bench.line import Line, table_row

#: Modules with `lines(quick)`, in the order of the table.
PARTS = {
    "storing": "storing responses, beside dlt and a bare INSERT",
    "merging": "small merges into large tables",
    "incremental": "a sync that finds nothing new",
    "dagster_cost": "what Dagster costs",
    "models": "models and ready questions",
    "settling": "costs by day and tag, kept beside computed",
    "keeping": "publishing, and the size of the file",
    "pulling": "pulling: request rates, memory, the same days again",
    "history": "ten million tasks in daily use",
    "growth": "how daily use grows with the tasks stored",
    "starting": "what a user waits for first",
    "pages": "pages of the dashboard",
    "paper": "past this machine, on paper",
}
PAGE = Path(__file__).parents[1] / "docs" / "performance.md"
KEPT = PAGE.with_suffix(".json")
HEAD = ["what", "ours", "other", "the other is", "ratio", "goal", "met"]


def main() -> int:
    """Measure, print, write; 1 where a part failed."""
    parser = argparse.ArgumentParser(
        prog="python -m bench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--quick", action="store_true", help="little of everything")
    parser.add_argument("--write", action="store_true", help=f"put the table into {PAGE.name}")
    options = parser.parse_args()
    if unknown := set(options.parts) - PARTS.keys():
        parser.error(f"no part is called {', '.join(sorted(unknown))}; there is {', '.join(PARTS)}")
    began = time.monotonic()
    found, failed = measured(
        options.parts or PARTS, quick=options.quick, keep=write if options.write else None
    )
    print(f"\n{markdown(found, failed, quick=options.quick)}\n{time.monotonic() - began:.0f} s in all")
    return 1 if failed else 0


def measured(
    parts: Iterable[str], *, quick: bool, keep: Callable[[str, Sequence[Line]], None] | None = None
) -> tuple[dict[str, list[Line]], list[str]]:
    """The lines of the parts, each printed as it comes and each part kept as it ends, and the parts that failed."""
    found: dict[str, list[Line]] = {}
    failed: list[str] = []
    for part in parts:
        print(f"{part}: {PARTS[part]}", flush=True)
        began = time.monotonic()
        try:
            of_part = []
            for line in import_module(f"bench.{part}").lines(quick):
                of_part.append(line)
                print("  " + "  ".join(cell for cell in line.cells() if cell), flush=True)
            found[part] = of_part
            if keep:
                keep(part, of_part)
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException:  # noqa: BLE001 - of any kind: the other parts are measured all the same
            failed.append(part)
            traceback.print_exc()
        print(f"  ({time.monotonic() - began:.0f} s)", flush=True)
    return found, failed


def write(part: str, lines: Sequence[Line]) -> None:
    """Put a part's lines into the page, and the table that it has of its own; keep them for the next time."""
    kept = json.loads(KEPT.read_text()) if KEPT.exists() else {}
    kept[part] = [asdict(line) for line in lines]
    KEPT.write_text(json.dumps(kept, indent=1) + "\n")
    in_order = {name: [Line(**line) for line in kept[name]] for name in PARTS if name in kept}
    put_between_marks("bench", markdown(in_order))
    if own := getattr(import_module(f"bench.{part}"), "page", None):
        put_between_marks(part, own())


def put_between_marks(name: str, text: str) -> None:
    """Replace what stands in docs/performance.md between the marks of that name."""
    marked = re.compile(rf"(?<=<!-- {name}: begin -->\n).*?(?=<!-- {name}: end -->)", re.DOTALL)
    PAGE.write_text(marked.sub(lambda _: text, PAGE.read_text("utf-8")), "utf-8")


def markdown(found: Mapping[str, Iterable[Line]], failed: Iterable[str] = (), *, quick: bool = False) -> str:
    """The table, with what it was measured on."""
    rows = [HEAD, ["---"] * len(HEAD), *(line.cells() for of_part in found.values() for line in of_part)]
    told = [
        "",
        *(["**A quick run: its figures mean nothing.**", ""] if quick else []),
        *map(table_row, rows),
        "",
        *(f"Not measured, because it failed: {part} ({PARTS[part]})." for part in failed),
        machine(),
        "",
    ]
    return "\n".join(told)


def machine() -> str:
    """When and on what it was measured: cores, memory, versions."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    versions = ", ".join(f"{name} {version(name)}" for name in ("duckdb", "pyarrow", "dagster", "boto3"))
    return (
        f"Last measured on {datetime.now(UTC):%Y-%m-%d} with {os.cpu_count()} cores and {memory:.0f} GiB: "
        f"{platform.system()} {platform.machine()}, Python {platform.python_version()}, {versions}."
    )


if __name__ == "__main__":
    sys.exit(main())
