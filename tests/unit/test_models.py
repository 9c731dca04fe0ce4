"""What the comment on top of a model says."""

from __future__ import annotations

import pytest

from braket_etl.warehouse.models import models, parsed

MODEL = """\
-- One row a thing. It costs.
--
-- group: costs
-- key: thing, day
-- thing: what it is,
--   at length
-- day: UTC day
SELECT thing, day FROM things
"""


def test_the_comment_on_top_says_what_the_model_and_its_columns_are() -> None:
    model = parsed("costs_of_things", MODEL)
    assert (model.group, model.key) == ("costs", ("thing", "day"))
    assert model.description == "One row a thing. It costs."
    assert model.columns == {"thing": "what it is, at length", "day": "UTC day"}
    assert model.reads == {"things"}


def test_a_comment_on_the_sql_is_not_taken_for_what_the_last_column_means() -> None:
    with pytest.raises(ValueError, match="says nothing of a column here: This reads things twice"):
        parsed("costs_of_things", MODEL.replace("SELECT", "-- This reads things twice.\nSELECT"))


def test_every_model_says_what_it_is() -> None:
    for model in models():
        assert model.description
        assert model.key
        assert set(model.key) <= model.columns.keys()
