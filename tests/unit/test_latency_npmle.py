"""The estimate from intervals: against other software, closed forms, and its own proof of optimality."""

from __future__ import annotations

import json
import random
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from braket_etl.analysis.forecast import distribution
from braket_etl.analysis.npmle import estimated, quantile_interval

REFERENCE = json.loads(Path(__file__).with_name("latency_reference.json").read_text())


def intervals_of_the_reference():
    """120 made-up waits: exact ones, censored ones and intervals of 5, 15 and 30, with ties."""
    rng = random.Random(REFERENCE["seed"])
    lower, upper = [], []
    for i in range(120):
        wait, kind = rng.lognormvariate(3.4, 1.1), i % 10
        if kind == 0:
            ends = (round(wait), round(wait))
        elif kind in (1, 2):
            ends = (round(min(wait, rng.uniform(5, 120))), np.inf)
        else:
            gap = rng.choice((5, 15, 30))
            ends = (gap * int(wait // gap), gap * int(wait // gap) + gap)
        lower.append(ends[0])
        upper.append(ends[1])
    return np.array(lower, float), np.array(upper, float)


@pytest.mark.parametrize("software", ["surpyval 0.25", "lifelines 0.30.3"])
def test_the_distribution_is_the_one_that_other_software_finds(software):
    estimate = estimated(*intervals_of_the_reference(), tolerance=1e-10)
    other = REFERENCE[software]
    assert estimate.right.tolist() == other["right"]
    assert np.abs(estimate.mass - np.array(other["mass"])).max() < 1e-5
    assert estimate.log_likelihood == pytest.approx(other["log_likelihood"], abs=1e-6)


def test_every_wait_ends_in_the_end_and_those_that_go_on_hide_what_lies_beyond():
    estimate = estimated(np.array([1.0, 2.0, 3.0, 3.0]), np.array([1.0, 2.0, np.inf, np.inf]))
    with np.errstate(all="raise"):
        assert [distribution(estimate, wait) for wait in (0.5, 1.0, 2.5, np.inf)] == [0.0, 0.25, 0.5, 1.0]


def test_exact_waits_give_the_empirical_distribution():
    waits = np.array([3.0, 1.0, 2.0, 2.0])
    estimate = estimated(waits, waits)
    assert estimate.right.tolist() == [1.0, 2.0, 3.0]
    assert estimate.mass == pytest.approx([0.25, 0.5, 0.25])
    assert estimate.quantile(0.25) == (1.0, 1.0)
    assert estimate.quantile(0.5) == (2.0, 2.0)


def test_exact_and_censored_waits_give_kaplan_meier():
    # deaths at 1, 3, 4; censored at 2 and 4: S = 4/5, 4/5 * 2/3, 4/5 * 2/3 * 1/2
    estimate = estimated(np.array([1.0, 2.0, 3.0, 4.0, 4.0]), np.array([1.0, np.inf, 3.0, 4.0, np.inf]))
    assert 1 - estimate.cumulative[:3] == pytest.approx([4 / 5, 8 / 15, 4 / 15], abs=1e-6)
    assert estimate.quantile(0.9) == (4.0, np.inf)


def test_a_wait_at_the_end_of_an_interval_is_in_it_and_one_at_its_beginning_is_not():
    touching = estimated(np.array([0.0, 5.0]), np.array([5.0, 9.0]))
    assert touching.mass == pytest.approx([0.5, 0.5])
    inside = estimated(np.array([0.0, 5.0]), np.array([5.0, 5.0]))
    assert (inside.left.tolist(), inside.right.tolist()) == ([5.0], [5.0])
    outside = estimated(np.array([5.0, 5.0]), np.array([5.0, 9.0]))
    assert outside.mass == pytest.approx([0.5, 0.5])


def test_with_exact_waits_the_confidence_interval_is_the_binomial_one():
    waits = np.arange(1.0, 101.0)
    low, high = quantile_interval(estimated(waits, waits), 0.5, 1.645)
    # the order statistics between which a median lies with 90 % are those of a binomial: 42 and 59 of 100
    assert (low, high) == (42.0, 59.0)


def test_a_quantile_that_censoring_hides_has_no_upper_end():
    lower = np.array([1.0, 2.0, 3.0, *[4.0] * 7])
    estimate = estimated(lower, np.array([1.0, 2.0, 3.0, *[np.inf] * 7]))
    assert quantile_interval(estimate, 0.5, 1.645)[1] == np.inf


@pytest.mark.parametrize(
    ("lower", "upper"), [([], []), ([2.0], [1.0]), ([float("nan")], [1.0]), ([float("-inf")], [1.0])]
)
def test_what_is_no_observation_is_refused(lower, upper):
    with pytest.raises(ValueError):
        estimated(np.array(lower), np.array(upper))


OBSERVATION = st.tuples(st.integers(0, 30), st.one_of(st.none(), st.integers(0, 12)))


@settings(max_examples=60, deadline=None)
@given(st.lists(OBSERVATION, min_size=1, max_size=40), st.integers(0, 2**32 - 1))
def test_no_other_distribution_is_likelier(observations, seed):
    lower = np.array([low for low, _ in observations], float)
    upper = np.array([np.inf if width is None else low + width for low, width in observations])
    estimate = estimated(lower, upper)
    assert estimate.mass.sum() == pytest.approx(1)
    assert (estimate.mass > 0).all()
    assert estimate.gap <= 1e-6

    rng = np.random.default_rng(seed)
    for _ in range(20):
        other = rng.dirichlet(np.full(len(estimate.mass), 0.5))
        cumulative = np.concatenate([[0.0], np.cumsum(other)])
        chances = cumulative[estimate.last + 1] - cumulative[estimate.first]
        with np.errstate(divide="ignore"):
            assert estimate.counts @ np.log(chances) <= estimate.log_likelihood + 1e-6
