"""Where each column comes from: read from the declarations and the models, to a member of the Braket API."""

from __future__ import annotations

import inspect
import subprocess
import sys
from types import ModuleType

import pytest
import sqlglot
from botocore.loaders import Loader
from botocore.model import ServiceModel
from sqlglot import exp

from braket_emulator.service_model import completed
from braket_etl.analysis import forecast, open_clock, open_tasks, wait_intervals, wait_quantiles
from braket_etl.tables import ALL, MAIN, QUANTUM_TASKS, TASK_OBSERVATIONS
from braket_etl.warehouse.lineage import column_lineage, made_of
from braket_etl.warehouse.models import Model, models
from braket_etl.warehouse.parsed import Statements, kept
from braket_etl.warehouse.sql_parser import columns_made_of
from braket_etl.warehouse.upstream import Upstream

MODELS = {model.name: model for model in models()}

#: Columns of models that are made of no other: the same in every row, or a row of their own.
CONSTANTS = {
    "charges": {"record_kind"},
    "focus_costs": {
        "BillingCurrency",
        "BillingAccountType",
        "SubAccountType",
        "ChargeCategory",
        "ChargeClass",
        "ChargeFrequency",
        "InvoiceId",
        "InvoiceIssuerName",
        "PricingCategory",
        "PricingCurrency",
        "ProviderName",
        "PublisherName",
        "ServiceCategory",
        "ServiceName",
        "ServiceSubcategory",
        "x_CostBasis",
    },
    "device_open_week": {"weekday", "hour_utc"},
    "price_rules": {
        "kind",
        "device_type",
        "is_in_job",
        "meter",
        "product_family",
        "unit",
        "base_unit",
        "least_ms",
        "item",
        "most_ms",
    },
    "queue_depth": {"kind"},
    "queue_heatmap": {"weekday", "hour_utc"},
    "tag_costs": {"is_untagged"},
    "waits": {"record_kind"},
}
#: Observations of tasks and jobs have one declaration; a job's queue has no priority.
NOT_IN_BOTOCORE = {Upstream("GetJob", "queueInfo.queuePriority")}


def lineage_of(sql: str, **known: list[str]) -> dict[str, set[str]]:
    """The lineage of a SELECT over tables with these columns, written as `table.column`."""
    found = columns_made_of(sql, known)
    return {name: {str(upstream) for upstream in upstreams} for name, upstreams in found.items()}


def roots(table: str, column: str | None) -> set[Upstream]:
    """Everything that a column is made of in the end, through however many models."""
    upstreams = column_lineage().get(table, {}).get(column or "", ())
    if not upstreams:
        return {Upstream(table, column)}
    return set[Upstream]().union(*(roots(*upstream) for upstream in upstreams))


@pytest.mark.parametrize("model", MODELS.values(), ids=list(MODELS))
def test_every_column_of_a_model_is_made_of_something(model: Model) -> None:
    lineage = column_lineage()[model.name]
    assert list(lineage) == list(model.columns)
    constant = {name for name, upstreams in lineage.items() if not upstreams}
    assert constant == CONSTANTS.get(model.name, set())


def test_what_a_column_is_made_of_exists() -> None:
    tables = {
        **{table.qualified_name.replace('"', "").removeprefix("main."): set(table.by_name) for table in ALL},
        **{model.name: set(model.columns) for model in models()},
    }
    operations = {table.operation for table in MAIN}
    for name, lineage in column_lineage().items():
        for column, upstreams in lineage.items():
            for upstream in upstreams:
                if upstream.table not in operations:
                    assert upstream.column in {*tables[upstream.table], None}, f"{name}.{column}"
        if name in MODELS:
            assert {u.table for upstreams in lineage.values() for u in upstreams} <= MODELS[name].reads


def test_the_members_are_those_that_botocore_knows() -> None:
    # with what newer versions of botocore know
    service = ServiceModel(completed(Loader().load_service_model("braket", "service-2")), "braket")
    seen = 0
    for table in MAIN:
        if table.operation not in service.operation_names:
            continue
        for column, upstreams in column_lineage()[table.name].items():
            for upstream in set(upstreams) - NOT_IN_BOTOCORE:
                shape = service.operation_model(table.operation).output_shape
                for member in (upstream.column or "").split("."):
                    shape = shape.member if shape.type_name == "list" else shape
                    assert member in shape.members, f"{table.name}.{column} from {upstream}"
                    shape = shape.members[member]
                seen += 1
    assert seen > 100


def test_columns_of_records_come_from_members_of_the_response() -> None:
    tasks = column_lineage()["quantum_tasks"]
    assert tasks["shots"] == (Upstream("GetQuantumTask", "shots"),)
    assert tasks["action_metadata_action_type"] == (Upstream("GetQuantumTask", "actionMetadata.actionType"),)
    assert tasks["device_name"] == (Upstream("GetQuantumTask", "deviceArn"),)
    assert tasks["created_date"] == (Upstream("GetQuantumTask", "createdAt"),)
    assert column_lineage()["state_change_events"]["record_arn"] == (
        Upstream("StateChangeEvent", "detail.jobArn"),
        Upstream("StateChangeEvent", "detail.quantumTaskArn"),
    )
    assert column_lineage()["job_events"]["event_type"] == (Upstream("GetJob", "events.eventType"),)
    assert column_lineage()["task_observations"]["position"] == (
        Upstream("GetQuantumTask", "queueInfo.position"),
    )


def test_derived_columns_say_what_they_are_derived_from() -> None:
    for table in MAIN:
        for column in table.columns:
            if column.derive and table.operation:
                assert made_of(table, column), f"{table.name}.{column.name}"
    assert not made_of(QUANTUM_TASKS, QUANTUM_TASKS.by_name["row_hash"])
    assert not made_of(TASK_OBSERVATIONS, TASK_OBSERVATIONS.by_name["n_polls"])


def test_the_last_mart_leads_back_to_the_api() -> None:
    cost = roots("daily_costs", "cost_usd")
    assert Upstream("GetQuantumTask", "numSuccessfulShots") in cost
    assert Upstream("GetJob", "instanceConfig.instanceCount") in cost
    assert Upstream("prices", "usd_per_billion") in cost
    wait = roots("wait_forecast", "wait_p50_seconds")
    assert Upstream("GetQuantumTask", "queueInfo.position") in wait
    assert Upstream("GetDevice", "deviceQueueInfo.queueSize") in wait
    assert Upstream("StateChangeEvent", "time") in wait


@pytest.mark.parametrize(
    ("table", "module"),
    [
        ("queue_wait_quantiles", wait_quantiles),
        ("wait_forecast", forecast),
        ("open_task_forecast", open_tasks),
    ],
)
def test_computed_tables_are_made_of_what_their_code_reads(table: str, module: ModuleType) -> None:
    source = "".join(map(inspect.getsource, (module, wait_intervals, open_clock)))
    read = {upstream for upstreams in column_lineage()[table].values() for upstream in upstreams}
    for upstream in read - {Upstream("quantum_tasks", "fetched_at")}:  # as of which it is computed
        assert upstream.table in source
        assert upstream.column in source


def test_a_column_is_followed_through_what_a_query_is_built_of() -> None:
    found = lineage_of(
        """
        WITH a AS (SELECT *, x + y AS z FROM t),
        b AS (SELECT z AS v, NULL AS w FROM a UNION ALL SELECT p, q FROM u)
        SELECT v, w, count(*) AS n, sum(v) FILTER (w > 0) AS s, rank() OVER by_w AS r, 1 AS one,
            (SELECT max(q) FROM u WHERE p = b.w) AS m
        FROM b GROUP BY ALL WINDOW by_w AS (PARTITION BY w)
        """,
        t=["x", "y"],
        u=["p", "q"],
    )
    assert found == {
        "v": {"t.x", "t.y", "u.p"},
        "w": {"u.q"},
        "n": {"rows of t", "rows of u"},
        "s": {"t.x", "t.y", "u.p", "u.q"},
        "r": {"u.q"},
        "one": set(),
        "m": {"u.p", "u.q"},
    }


def test_members_of_a_structure_lead_to_the_column_that_holds_it() -> None:
    found = lineage_of(
        "SELECT w.day, best.price AS price FROM (SELECT unnest(windows) AS w, max({'price': x}) AS best FROM t)",
        t=["windows", "x"],
    )
    assert found == {"day": {"t.windows"}, "price": {"t.x"}}


def test_a_table_of_another_schema_keeps_its_name() -> None:
    found = lineage_of("SELECT r.kind, t.b, count(*) AS n FROM etl.runs AS r JOIN main.t ON true", t=["b"])
    assert found == {"kind": {"etl.runs.kind"}, "b": {"t.b"}, "n": {"rows of etl.runs", "rows of t"}}


def test_a_query_that_cannot_be_followed_has_no_lineage() -> None:
    assert lineage_of("SELECT nowhere.a, b FROM t", t=["b"]) == {}


def test_no_model_unites_by_name() -> None:
    # lineage pairs the columns of a union by their position: of one by name it would tell a falsehood
    for model in models():
        tree = sqlglot.parse_one(model.sql, read="duckdb")
        united = [union for union in tree.find_all(exp.SetOperation) if union.args.get("by_name")]
        assert not united, model.name
    by_name = sqlglot.parse_one("SELECT 1 AS a UNION ALL BY NAME SELECT 2 AS a", read="duckdb")
    assert by_name.args.get("by_name")


def test_what_is_kept_of_the_statements_of_sql_needs_no_parser() -> None:
    asked = "import sys; from braket_etl.warehouse import checks, lineage, parsed, queries; lineage.column_lineage(); "
    asked += "[parsed.kept().tables_read(query.sql) for query in queries.queries().values()]; "
    asked += "[checks.tables_read(check) for check in checks.checks()]; print('sqlglot' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n", "run `make docs`"


def test_a_statement_that_is_not_kept_is_parsed() -> None:
    statements = Statements({"reads": {}, "made_of": {}})
    assert statements.tables_read("SELECT a + b AS c FROM t JOIN etl.u USING (d)") == {"t", "etl.u"}
    assert statements.columns_made_of("SELECT A + b AS c FROM t", {"t": ["A", "b"]}) == {
        "c": (Upstream("t", "A"), Upstream("t", "b"))
    }
    assert not kept().columns_made_of("SELECT nowhere.a FROM t", {"t": ["A"]})
