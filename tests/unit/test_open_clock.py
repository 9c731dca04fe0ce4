"""A clock that stands still while a device is closed."""

from __future__ import annotations

import numpy as np

from braket_etl.analysis.open_clock import ALWAYS, clock_of

CLOCK = clock_of(np.array([100.0, 300.0]), np.array([150.0, 400.0]))


def test_it_stands_still_while_the_device_is_closed() -> None:
    instants = np.array([50.0, 100, 120, 150, 200, 300, 350, 400, 500, np.inf])
    assert CLOCK.at(instants).tolist() == [50, 100, 100, 100, 150, 250, 250, 250, 350, np.inf]


def test_what_waits_for_it_while_it_stands_waits_until_the_device_opens() -> None:
    assert CLOCK.when(np.array([50.0, 100, 100.5, 250, 251, np.inf])).tolist() == [
        50,
        150,
        150.5,
        400,
        401,
        np.inf,
    ]


def test_of_a_device_that_is_never_closed_it_is_the_clock_on_the_wall() -> None:
    assert clock_of(np.empty(0), np.empty(0)) is ALWAYS
    assert ALWAYS.at(np.array([7.0])).tolist() == ALWAYS.when(np.array([7.0])).tolist() == [7]
