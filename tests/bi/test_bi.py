"""Tools that people have already read the published copy: dbt, and SQLAlchemy as Superset uses it.

They live in an environment of their own: BRAKET_ETL_BI names its Python, see `make test-bi`.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest

from braket_etl.warehouse.queries import named_query

PYTHON = os.environ.get("BRAKET_ETL_BI", "")
ROOT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.skipif(not PYTHON, reason="`make test-bi` installs dbt and SQLAlchemy")

_PROJECT = "name: lab\nversion: '1.0.0'\nprofile: lab\nmodel-paths: [models]\n"
_PROFILE = """
lab:
  target: dev
  outputs:
    dev:
      type: duckdb
      path: {own}
      attach:
        - path: {published}
          alias: braket
          read_only: true
"""
_MODEL = """
{{ config(materialized='table') }}
select strftime(charge_date, '%Y-%m') as month, sum(cost_usd) as cost_usd
from {{ source('braket', 'daily_costs') }}
group by 1
"""
_REFLECT = """
import sys
from sqlalchemy import create_engine, inspect, text
from sqlalchemy.pool import NullPool

engine = create_engine(f"duckdb:///{sys.argv[1]}", poolclass=NullPool, connect_args={"read_only": True})
names = inspect(engine)
tables, views = names.get_table_names(schema="main"), names.get_view_names(schema="main")
columns = {column["name"]: str(column["type"]) for column in names.get_columns("daily_costs", schema="main")}
with engine.connect() as connection:
    total = connection.execute(text("select sum(cost_usd) from daily_costs")).scalar()
print("quantum_tasks" in tables, "daily_costs" in views, columns["cost_usd"], columns["charge_date"], total)
"""


def total_of(published: Path) -> Decimal:
    with duckdb.connect(str(published), read_only=True) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        rows = connection.execute(named_query("cost_by_month_and_device").sql)
        place = [name for name, *_ in rows.description or ()].index("cost_usd")
        return sum((row[place] for row in rows.fetchall()), Decimal(0))


def test_dbt_builds_a_model_on_the_generated_sources(pulled_home: Path, tmp_path: Path) -> None:
    published = pulled_home / "warehouse.duckdb"
    (tmp_path / "models").mkdir()
    (tmp_path / "dbt_project.yml").write_text(_PROJECT)
    (tmp_path / "profiles.yml").write_text(_PROFILE.format(own=tmp_path / "own.duckdb", published=published))
    (tmp_path / "models" / "monthly.sql").write_text(_MODEL)
    shutil.copy(ROOT / "docs" / "dbt-sources.yml", tmp_path / "models" / "sources.yml")
    done = subprocess.run(
        [
            str(Path(PYTHON).with_name("dbt")),
            "build",
            "--select",
            "monthly",
            "source:braket.daily_costs",
            "source:braket.quantum_tasks",
            "--profiles-dir",
            ".",
            "--no-send-anonymous-usage-stats",
        ],
        cwd=tmp_path,
        env={**os.environ, "DBT_SEND_ANONYMOUS_USAGE_STATS": "false", "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:]
    assert "ERROR=0" in done.stdout
    with duckdb.connect(str(tmp_path / "own.duckdb"), read_only=True) as connection:
        [[built]] = connection.execute("SELECT sum(cost_usd) FROM monthly").fetchall()
    assert built == total_of(published)


def test_sqlalchemy_reflects_tables_views_and_columns(pulled_home: Path) -> None:
    published = pulled_home / "warehouse.duckdb"
    done = subprocess.run(
        [PYTHON, "-W", "ignore", "-c", _REFLECT, str(published)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.split() == ["True", "True", "NUMERIC(38,", "12)", "DATE", str(total_of(published))]
