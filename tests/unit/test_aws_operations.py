"""The one table of Braket's operations agrees with the API's model, with the tables and with what SQL names."""

from __future__ import annotations

import re

import pytest
from botocore.loaders import Loader
from botocore.model import ServiceModel

from braket_emulator.service_model import completed
from braket_etl.aws.operations import BY_NAME, GETS, OPERATIONS, Get, Search
from braket_etl.package_files import packaged_sql
from braket_etl.pull.resources import BY_GET, RESOURCES
from braket_etl.tables import MAIN

#: Rows come from these too, which are no operations of Braket's.
NO_OPERATIONS = {"StateChangeEvent", "CloudTrailEvent", "ResultsFile"}


@pytest.fixture(scope="module")
def model() -> ServiceModel:
    """Braket's API as botocore describes it, with what older versions lack."""
    return ServiceModel(completed(Loader().load_service_model("braket", "service-2")), "braket")


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda each: each.name)
def test_what_is_said_of_an_operation_is_so_in_the_model(
    operation: Get | Search, model: ServiceModel
) -> None:
    described = model.operation_model(operation.name)
    asked, answer = described.input_shape, described.output_shape
    if isinstance(operation, Get):
        assert {operation.arn_member, *operation.side_members} <= set(answer.members)
        assert operation.arn_member in asked.members
        assert bool(operation.attributes) == ("additionalAttributeNames" in asked.members)
    else:
        entry = answer.members[operation.entries].member
        assert {operation.arn_member, *operation.needed, *operation.required} <= set(entry.required_members)


def test_a_summary_of_a_task_or_job_is_complete_where_all_that_the_model_requires_is_there(
    model: ServiceModel,
) -> None:
    for resource in RESOURCES:
        search = resource.search
        entry = model.operation_model(search.name).output_shape.members[search.entries].member
        assert set(entry.required_members) - {*search.needed, *search.required} <= {"device"}


def test_tables_and_records_agree_on_the_operation_that_gives_rows() -> None:
    assert {table.operation for table in MAIN if table.operation} <= BY_NAME.keys() | NO_OPERATIONS
    for resource in RESOURCES:
        assert {resource.table.operation, resource.observations.operation} == {resource.get.name}
        assert resource.get.arn_member == resource.search.arn_member
        assert (resource.get.is_needed, resource.search.is_needed) == (True, True)
    assert BY_GET.keys() == {get.name for get in GETS.values() if get.is_needed}


def test_sql_names_no_operation_that_is_not_asked() -> None:
    files = [file for kind in ("models", "questions") for file in packaged_sql(kind).glob("*.sql")]
    texts = [file.read_text("utf-8") for file in files]
    named = {name for text in texts for name in re.findall(r"'((?:Get|Search)[A-Z]\w+)'", text)}
    assert named
    assert named <= BY_NAME.keys()
