"""The non-parametric maximum-likelihood estimate of a distribution from intervals (Turnbull 1976), with its bands.

Pure mathematics on numpy arrays: no seconds, no devices, no DuckDB. The estimate puts mass on the innermost
intervals only; the masses are found by EM and iterative convex minorant steps in turn (Wellner and Zhan 1997) and
the result carries the proof that it is the maximum: how far its log-likelihood can be from the best one.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

_MAX_ITERATIONS = 5_000
_STEP_HALVINGS = 12


@dataclass(frozen=True)
class Estimate:
    """Masses on innermost intervals (left, right], in order; left = right is a point.

    The last right end is infinite where the largest observations are censored. `gap` bounds from above how far
    the log-likelihood is below its maximum; `weight` is the number of observations.
    """

    left: Floats
    right: Floats
    mass: Floats
    log_likelihood: float
    gap: float
    weight: float
    first: Ints
    """For each distinct observation, the index of the first innermost interval in it."""
    last: Ints
    """For each distinct observation, the index of the last innermost interval in it."""
    counts: Floats
    """For each distinct observation, how often it was made."""

    @cached_property
    def cumulative(self) -> Floats:
        """The distribution function at each right end."""
        return np.minimum(np.cumsum(self.mass), 1.0)

    def reached(self, values: Floats) -> Floats:
        """The distribution function at each value, its mass at the right ends."""
        steps = np.concatenate([[0.0], self.cumulative])
        return np.asarray(steps[np.searchsorted(self.right, values, side="right")], np.float64)

    @cached_property
    def logit_band(self) -> tuple[Floats, Floats]:
        """The logit of the distribution function at each right end but the last, and its standard error."""
        size = len(self.mass)
        if size == 1:
            return np.empty(0), np.empty(0)
        reached = np.clip(self.cumulative[:-1], 1e-12, 1 - 1e-12)
        if np.array_equal(self.first, self.last):  # each observation lies in one mass: shares of a sample
            return np.log(reached / (1 - reached)), 1 / np.sqrt(self.weight * reached * (1 - reached))
        weight = self.counts / _probabilities(self.mass, self.first, self.last) ** 2
        variance = _variances(self.first, self.last + 1, weight, size)
        return np.log(reached / (1 - reached)), np.sqrt(np.maximum(variance, 0)) / (reached * (1 - reached))

    def quantile(self, p: float) -> tuple[float, float]:
        """The innermost interval [left, right] in which the distribution function reaches p.

        The right end is inf{t: F(t) >= p}, the value to report; it is infinite where censoring hides the quantile.
        """
        index = min(int(np.searchsorted(self.cumulative, p - 1e-9)), len(self.mass) - 1)
        return float(self.left[index]), float(self.right[index])


def estimated(
    lower: Floats, upper: Floats, counts: Floats | None = None, *, tolerance: float = 1e-7
) -> Estimate:
    """The estimate from observations in (lower, upper]; lower = upper is exact, an infinite upper right-censored.

    `tolerance` is the largest `gap` to stop at. Raises ValueError for no observations, for NaN, for lower > upper
    and for an observation without information about its end on either side of nothing (lower infinite).
    """
    lower, upper = np.asarray(lower, float), np.asarray(upper, float)
    counts = np.ones(len(lower)) if counts is None else np.asarray(counts, float)
    if len(lower) == 0:
        raise ValueError("no observations")
    if not (np.all(lower <= upper) and np.all(np.isfinite(lower))):
        raise ValueError("each observation needs a finite lower end that is not above its upper end")
    lower, upper, counts = _distinct(lower, upper, counts)
    if np.array_equal(lower, upper):
        return _of_exact(lower, counts)
    left, right, first, last = _innermost(lower, upper)
    mass, gap = _maximised(first, last, counts, len(left), tolerance)
    kept = np.flatnonzero(mass > 0)
    seen = np.concatenate([[0], np.cumsum(mass > 0)])
    log_likelihood = float(counts @ np.log(_probabilities(mass, first, last)))
    return Estimate(
        left[kept],
        right[kept],
        mass[kept],
        log_likelihood,
        gap,
        float(counts.sum()),
        seen[first],
        seen[last + 1] - 1,
        counts,
    )


def _of_exact(values: Floats, counts: Floats) -> Estimate:
    """The estimate from distinct exact observations: their shares."""
    mass, place = counts / counts.sum(), np.arange(len(values))
    return Estimate(
        values, values, mass, float(counts @ np.log(mass)), 0.0, float(counts.sum()), place, place, counts
    )


def _distinct(lower: Floats, upper: Floats, counts: Floats) -> tuple[Floats, Floats, Floats]:
    """Equal observations as one, with their number."""
    order = np.lexsort((upper, lower))
    lower, upper, counts = lower[order], upper[order], counts[order]
    begins = np.flatnonzero(np.r_[True, (np.diff(lower) != 0) | (upper[1:] != upper[:-1])])
    return lower[begins], upper[begins], np.add.reduceat(counts, begins)


def _innermost(lower: Floats, upper: Floats) -> tuple[Floats, Floats, Ints, Ints]:
    """The innermost intervals, and for each observation the first and the last of them that it holds.

    An end is a left end that is directly followed by a right end. At equal values the left end of an exact
    observation comes first, then right ends, then left ends of intervals, which do not hold the value itself.
    """
    n = len(lower)
    value = np.concatenate([lower, upper])
    rank = np.concatenate([np.where(lower == upper, 0, 2), np.ones(n, int)])
    order = np.lexsort((rank, value))
    is_right = rank[order] == 1
    starts = np.flatnonzero(~is_right[:-1] & is_right[1:])
    place = np.empty(2 * n, np.int64)
    place[order] = np.arange(2 * n)
    first = np.searchsorted(starts, place[:n])
    last = np.searchsorted(starts, place[n:]) - 1
    return value[order][starts], value[order][starts + 1], first, last


def _variances(begin: Ints, end: Ints, weight: Floats, size: int) -> Floats:
    """The variance of the distribution function between each two masses, the diagonal of the inverse information.

    The information is that of a network of resistors: an observation from `begin` to `end` conducts `weight`, and the
    two ends, where the function is 0 and 1 for certain, are grounded. A node that conducts to its two neighbours only,
    as exact observations leave it, is a point on a chain of resistors in series: chains are taken out before the
    inversion, which takes the cube of what is left, and filled in after it.
    """
    is_step = end - begin == 1
    conductance = np.bincount(begin[is_step], weight[is_step], size)
    kept = np.zeros(size + 1, bool)
    kept[[0, size]] = True
    kept[begin[~is_step]] = kept[end[~is_step]] = True
    broken = np.flatnonzero(conductance <= 0)
    kept[broken] = kept[broken + 1] = True
    nodes = np.flatnonzero(kept)
    number = np.cumsum(kept) - 1  # of a node that is not kept, that of the kept one before it

    with np.errstate(divide="ignore"):
        resistance = np.concatenate([[0.0], np.cumsum(np.where(conductance > 0, 1 / conductance, 0.0))])
    across = np.diff(resistance[nodes])  # 0 where nothing conducts between two kept nodes
    chains = np.flatnonzero(across > 0)
    begin = np.concatenate([number[begin[~is_step]], chains])
    end = np.concatenate([number[end[~is_step]], chains + 1])
    weight = np.concatenate([weight[~is_step], 1 / across[chains]])
    information = np.zeros((len(nodes), len(nodes)))
    np.add.at(information, (begin, begin), weight)
    np.add.at(information, (end, end), weight)
    np.add.at(information, (begin, end), -weight)
    np.add.at(information, (end, begin), -weight)
    covariance = np.zeros_like(information)
    covariance[1:-1, 1:-1] = _inverse(information[1:-1, 1:-1])

    left = number[:-1]
    right = left + 1
    before = resistance[:-1] - resistance[nodes[left]]
    share = before / np.where(across[left] > 0, across[left], 1.0)
    variance = (
        before * (1 - share)
        + (1 - share) ** 2 * covariance[left, left]
        + share**2 * covariance[right, right]
        + 2 * share * (1 - share) * covariance[left, right]
    )
    return np.asarray(variance[1:], np.float64)


def _inverse(information: Floats) -> Floats:
    """The covariance; where the data leave some masses free against each other, of what they do determine."""
    try:
        return np.asarray(np.linalg.inv(information), np.float64)
    except np.linalg.LinAlgError:
        return np.asarray(np.linalg.pinv(information, hermitian=True), np.float64)


def _probabilities(mass: Floats, first: Ints, last: Ints) -> Floats:
    """The probability of each observation."""
    cumulative = np.concatenate([[0.0], np.cumsum(mass)])
    chances: Floats = cumulative[last + 1] - cumulative[first]
    return chances


def _maximised(first: Ints, last: Ints, counts: Floats, size: int, tolerance: float) -> tuple[Floats, float]:
    """The masses that maximise the likelihood, and how far from the maximum it can be."""
    total = counts.sum()
    mass = np.full(size, 1.0 / size)
    gap = np.inf
    for _ in range(_MAX_ITERATIONS):
        for _ in range(2):
            mass = mass * _gradient(mass, first, last, counts) / total
            mass /= mass.sum()
        mass = _convex_minorant_step(mass, first, last, counts)
        # By concavity no distribution has a log-likelihood above this one's by more than max(gradient) - total.
        gap = float(_gradient(mass, first, last, counts).max() - total)
        if gap <= tolerance:
            break
    return mass, max(gap, 0.0)


def _gradient(mass: Floats, first: Ints, last: Ints, counts: Floats) -> Floats:
    """The derivative of the log-likelihood by each mass."""
    weight = counts / _probabilities(mass, first, last)
    size = len(mass)
    return np.cumsum(np.bincount(first, weight, size) - np.bincount(last + 1, weight, size + 1)[:size])


def _convex_minorant_step(mass: Floats, first: Ints, last: Ints, counts: Floats) -> Floats:
    """One step of the iterative convex minorant: a Newton step with a diagonal Hessian, made monotone."""
    size = len(mass)
    if size == 1:
        return mass
    cumulative = np.concatenate([[0.0], np.cumsum(mass)])
    cumulative[-1] = 1.0
    probability = cumulative[last + 1] - cumulative[first]
    slope, bend = counts / probability, counts / probability**2
    gradient = (np.bincount(last + 1, slope, size + 1) - np.bincount(first, slope, size + 1))[1:-1]
    bends = np.bincount(last + 1, bend, size + 1) + np.bincount(first, bend, size + 1)
    curvature: Floats = bends[1:-1].astype(np.float64)
    inner = cumulative[1:-1]
    target = np.clip(_monotone(inner + gradient / curvature, curvature), 0.0, 1.0)
    before = float(counts @ np.log(probability))
    step = 1.0
    for _ in range(_STEP_HALVINGS):
        cumulative[1:-1] = inner + step * (target - inner)
        moved = cumulative[last + 1] - cumulative[first]
        if np.all(moved > 0) and float(counts @ np.log(moved)) > before:
            return np.diff(cumulative)
        step /= 2
    return mass


def _monotone(values: Floats, weights: Floats) -> Floats:
    """The non-decreasing sequence nearest to the values in weighted squares (pool adjacent violators).

    All stretches that do not increase are pooled at once, and what comes of them again: in which order violators are pooled
    does not matter.
    """
    begins = np.arange(len(values))
    level, heft = values, weights
    while True:
        kept = np.flatnonzero(np.concatenate([[True], level[1:] > level[:-1]]))
        if len(kept) == len(level):
            return np.repeat(level, np.diff(begins, append=len(values)))
        total = np.add.reduceat(level * heft, kept)
        begins, heft = begins[kept], np.add.reduceat(heft, kept)
        level = total / heft


def quantile_interval(estimate: Estimate, p: float, z: float) -> tuple[float, float]:
    """A confidence interval for the quantile p: where the distribution function is not clearly above or below p.

    The variance of the distribution function comes from the observed information on the estimate's support, its
    normal approximation is made on the logit scale, and the test is inverted (Brookmeyer and Crowley 1982); z is
    the two-sided normal quantile of the level. The upper end is infinite where the data do not bound it.
    """
    logit, error = estimate.logit_band
    if len(logit) == 0:
        return float(estimate.left[0]), float(estimate.right[-1])
    target = np.log(p / (1 - p))
    reached = np.flatnonzero(logit + z * error >= target)
    surpassed = np.flatnonzero(logit - z * error >= target)
    # The mass of a stretch may lie anywhere in it, so the lower end is its left one.
    lower = estimate.left[reached[0]] if len(reached) else estimate.left[-1]
    upper = estimate.right[surpassed[0]] if len(surpassed) else np.inf
    return float(lower), float(upper)
