"""What tasks say of their waits, and when a quantile is told: turnarounds, run times, batches, looks that are too rare."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from bench.wait_worlds import FORTE, GARNET, HOUR, SPAN, WORLDS, looked_at, starts
from braket_etl.analysis.forecast import Sample, as_of_now
from braket_etl.analysis.npmle import estimated
from braket_etl.analysis.run_times import known, learnt
from braket_etl.analysis.wait_intervals import batches, intervals, run_times
from braket_etl.analysis.wait_quantiles import QUANTILES, Waits, quantile_rows

BY_NAME = {world.name: world for world in WORLDS}
NONE = np.full(400, np.nan)


def drawn(name: str, seed: int = 1, tasks: int = 400) -> tuple[Waits, np.ndarray, str]:
    """Tasks of one world, their true waits, and their device."""
    world, rng = BY_NAME[name], np.random.default_rng(seed)
    truth = starts(world, rng, tasks)
    return looked_at(world, rng, truth), truth[2], world.device


def rows(waits: Waits, device: str) -> dict[float, dict]:
    return {row["quantile"]: row for row in quantile_rows(waits, run_times(device, waits))}


@pytest.mark.parametrize("name", ["1 h, IQM, never", "1 h, QuEra, never", "1 day, IonQ, never"])
def test_history_that_nobody_watched_tells_its_waits(name: str) -> None:
    waits, truth, device = drawn(name)
    found = rows(waits, device)
    for p in (0.5, 0.9):
        assert (found[p]["status"], found[p]["share_turnaround"] > 0.9) == ("ok", True)
        assert found[p]["wait_seconds"] == pytest.approx(np.quantile(truth, p), rel=0.12)
        assert found[p]["ci_lower_seconds"] < found[p]["wait_seconds"] < found[p]["ci_upper_seconds"]


def test_a_queue_that_is_faster_than_runs_vary_is_not_told() -> None:
    waits, _, device = drawn("10 s, IQM, each hour")
    assert rows(waits, device)[0.5]["status"] == "not_informative"
    assert rows(waits, device)[0.5].get("wait_seconds") is None


def test_run_times_with_a_tail_tell_no_wait_of_their_own_length() -> None:
    waits, _, device = drawn("1 min, IonQ, never")
    assert {row["status"] for row in rows(waits, device).values()} == {"not_informative"}


@pytest.mark.parametrize("seed", range(3))
def test_runs_that_do_not_grow_with_shots_are_not_taken_for_waits(seed: int) -> None:
    waits, *_ = drawn("1 min, IonQ, runs of any shots, never", seed)
    assert rows(waits, FORTE)[0.5]["status"] == "not_informative"


@pytest.mark.parametrize(
    ("name", "p", "seed"),
    [
        *(("1 min, IonQ, runs of any shots, never", 0.95, seed) for seed in (117, 226, 261)),
        *(("10 s, IQM, each minute", 0.9, seed) for seed in (23, 164)),
    ],
)
def test_a_quantile_is_not_told_for_being_large_by_chance(name: str, p: float, seed: int) -> None:
    waits, truth, device = drawn(name, seed)
    row = rows(waits, device)[p]
    assert (row["status"], row.get("wait_seconds")) == ("not_informative", None)
    assert row["ci_lower_seconds"] < np.quantile(truth, p) < row["ci_upper_seconds"]


def test_run_times_that_hide_the_median_hide_no_quantile_that_is_far_longer() -> None:
    """One task in five waits for hours while the device is closed, whatever the others run."""
    waits, *_ = drawn("10 s, IQM, never")
    slow = np.arange(len(waits)) % 5 == 0
    slept = replace(waits, turnaround=waits.turnaround + np.where(slow, 20 * waits.turnaround + HOUR, 0))
    found = rows(replace(slept, at_most=slept.turnaround), GARNET)
    assert (found[0.5]["status"], found[0.9]["status"]) == ("not_informative", "ok")
    assert found[0.9]["wait_seconds"] == pytest.approx(np.quantile(slept.turnaround, 0.9), rel=0.01)


def test_the_tail_of_a_slow_queue_on_a_device_that_nobody_knows_is_told() -> None:
    told = [
        rows(*drawn("1 h, a device that nobody knows, never", seed)[::2])[0.9]["status"]
        for seed in range(100)
    ]
    assert told.count("ok") >= 82


def test_of_a_device_of_which_nothing_is_known_unwatched_tasks_tell_little() -> None:
    waits, truth, _ = drawn("1 h, IQM, never")
    found = rows(waits, "arn:aws:braket:::device/qpu/someone/New")
    assert found[0.5]["status"] in ("ok", "not_informative")
    assert found[0.5]["ci_lower_seconds"] <= np.quantile(truth, 0.5) <= found[0.5]["ci_upper_seconds"]


def test_where_polls_tell_more_than_turnarounds_the_estimate_is_that_of_polls_alone() -> None:
    waits, _, device = drawn("1 h, IonQ, each minute")
    assert set(intervals(waits, run_times(device, waits)).source) <= {"p", "t"}
    only_polls = replace(
        waits,
        at_least=waits.lower,
        at_most=waits.upper,
        turnaround=NONE[: len(waits)],
        is_unseen=NONE[: len(waits)] > 0,
    )
    estimate = estimated(only_polls.lower, only_polls.upper, tolerance=1e-6)
    for p, row in rows(only_polls, device).items():
        if p == 0.99:
            assert row["status"] == "not_enough_data"  # four tasks lie above it
            continue
        assert row["wait_seconds"] == pytest.approx(estimate.quantile(p)[1])
        assert row["share_polls"] == 1


def test_tasks_that_were_sent_together_count_as_few() -> None:
    waits, truth, device = drawn("batches of ten, 1 h, events")
    found = rows(waits, device)
    assert 25 < found[0.5]["n_effective"] < 70
    for p in (0.9, 0.95):
        assert (found[p]["status"], found[p]["ci_upper_seconds"]) == ("not_enough_data", None)
        assert found[p]["ci_lower_seconds"] < found[p]["bound_upper_seconds"]
    alone = rows(*drawn("1 h, events")[::2])
    assert alone[0.5]["n_effective"] > 380

    def width(row: dict) -> float:
        return np.log(row["ci_upper_seconds"] / row["ci_lower_seconds"])

    assert width(found[0.5]) > 2 * width(alone[0.5])
    assert found[0.5]["ci_lower_seconds"] <= np.median(truth) <= found[0.5]["ci_upper_seconds"]


@pytest.mark.parametrize("name", ["10 s, IQM, each minute", "10 s, IQM, never", "1 min, IonQ, each hour"])
def test_where_a_quantile_is_not_told_its_bounds_hold_that_of_these_tasks(
    name: str,
) -> None:
    world = BY_NAME[name]
    for seed in range(5):
        rng = np.random.default_rng(seed)
        truth = starts(world, rng, 400)
        found = rows(looked_at(world, rng, truth), world.device)
        own = truth[2][SPAN - truth[0] > (world.every or 0)]
        for p in (0.5, 0.9):
            row, of_these = found[p], np.quantile(own, p, method="inverted_cdf")
            assert row["bound_lower_seconds"] <= of_these <= row["bound_upper_seconds"]
            if row["status"] == "not_informative":
                assert row["ci_lower_seconds"] <= row["bound_lower_seconds"]
                assert row["bound_upper_seconds"] <= row["ci_upper_seconds"]
    assert found[0.5]["status"] == "not_informative"


def test_a_batch_is_a_job_or_tasks_seconds_apart() -> None:
    waits, *_ = drawn("1 h, IQM, never", tasks=6)
    sent = replace(waits, created=np.array([0, 20, 45, 100, 110, 500.0]), job=np.array([0, 0, 0, 7, 0, 7.0]))
    number = batches(sent)
    assert number[0] == number[1] == number[2]
    assert number[3] == number[5]
    assert len(set(number.tolist())) == 3


def test_a_task_alone_tells_no_quantile() -> None:
    waits, *_ = drawn("1 h, IQM, never")
    few = waits.where(np.arange(len(waits)) < 19)
    assert {row["status"] for row in quantile_rows(few, run_times(GARNET, few))} == {"not_enough_data"}
    none = waits.where(np.zeros(len(waits), bool))
    assert [row["n"] for row in quantile_rows(none, run_times(GARNET, none))] == [0] * len(QUANTILES)


def test_run_times_are_what_is_known_until_own_tasks_tell_more() -> None:
    shots = np.full(400, 1000.0)
    slow = learnt(FORTE, shots, np.full(400, 20 * HOUR), NONE, NONE).ranges(shots[:1])
    known_range = [
        line.seconds(shots[:1]) for line in (known(FORTE).low, known(FORTE).usual, known(FORTE).high)
    ]
    assert np.array(slow) == pytest.approx(np.array(known_range))
    quick = learnt(FORTE, shots, np.full(400, 30.0), NONE, NONE).ranges(shots[:1])
    assert quick[1][0] == pytest.approx(30)
    assert quick[2][0] == pytest.approx(120)
    run = np.random.default_rng(1).uniform(200, 300, 400)
    seen = learnt(FORTE, shots, run + HOUR, run - 5, run + 5).ranges(shots[:1])
    assert [each[0] for each in seen] == pytest.approx([210, 250, 290], abs=10)


def test_runs_that_were_seen_one_after_the_other_on_cepheus_lie_in_what_is_learnt_of_them() -> None:
    rng = np.random.default_rng(1)
    shots = rng.choice([100.0, 5_000, 10_000, 10_000, 10_000, 50_000], 120)
    depth = rng.choice([1.0, 2, 200, 700], 120)
    run = 0.14 + 0.000204 * shots + 16e-9 * shots * depth + rng.normal(0, 0.05, 120).clip(-0.1, 0.1)
    nobody = np.full(120, np.nan)
    cepheus = learnt(
        "arn:aws:braket:us-west-1::device/qpu/rigetti/Cepheus-1-108Q", shots, run, nobody, nobody
    )
    low, usual, high = cepheus.ranges(shots)
    assert np.mean((low <= run) & (run <= high)) > 0.95
    assert np.median(np.abs(usual - run)) < 0.2


@pytest.mark.parametrize(
    ("arn", "grade"),
    [
        ("arn:aws:braket:us-west-1::device/qpu/rigetti/Cepheus-1-108Q", "measured"),
        ("arn:aws:braket:us-east-1::device/qpu/ionq/Forte-1", "by analogy"),
        ("arn:aws:braket:us-east-1::device/qpu/xanadu/Borealis", "unknown"),
        ("no arn", "unknown"),
    ],
)
def test_what_is_known_says_how_well(arn: str, grade: str) -> None:
    assert known(arn).grade == grade


def test_a_queue_that_grows_is_forecast_as_long_as_it_has_become() -> None:
    rng = np.random.default_rng(1)
    created = np.sort(rng.uniform(0, 56, 800)) * 86_400
    wait = 600 * np.exp(np.log(8) * created / created.max()) * rng.lognormal(0, 0.3, 800)
    zeros = np.zeros(800)
    sample = Sample(created, zeros, created, created, zeros + 1, wait, wait)
    grown = as_of_now(sample, float(created.max()))
    assert np.median(grown.lower) == pytest.approx(4800, rel=0.1)
    steady = rng.permutation(wait)
    same = as_of_now(replace(sample, lower=steady, upper=steady), float(created.max()))
    assert np.array_equal(same.lower, steady)
