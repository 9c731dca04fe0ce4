"""Metrics in the text format of Prometheus: what is not known has no sample, and a text stays within its quotes."""

from __future__ import annotations

from braket_etl.serving.metrics import written


def test_texts_are_escaped_and_what_is_not_known_is_left_out() -> None:
    hostile = 'a"} 1\nbraket_etl_faked 9 \\'
    samples = [({"device": hostile, "percentile": 50}, 0.25), ({"device": "b"}, None)]
    assert written("wait_seconds", "The wait.", samples) == [
        "# HELP braket_etl_wait_seconds The wait.",
        "# TYPE braket_etl_wait_seconds gauge",
        'braket_etl_wait_seconds{device="a\\"} 1\\nbraket_etl_faked 9 \\\\",percentile="50"} 0.25',
    ]


def test_a_metric_without_a_known_value_is_not_there() -> None:
    assert written("wait_seconds", "The wait.", [({}, None)]) == []
