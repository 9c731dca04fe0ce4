"""The share of tasks cancelled in the queue, against a case computed by hand."""

from __future__ import annotations

import numpy as np
import pytest

from braket_etl.analysis.wait_quantiles import cancelled_share


def test_cancelling_and_starting_compete_and_waiting_tasks_count_while_watched():
    # starts at 1 and 4, cancelled at 2 and 5, still waiting at 3
    times, shares = cancelled_share(
        lower=np.array([1.0, 2.0, 3.0, 4.0, 5.0]),
        upper=np.array([1.0, np.inf, np.inf, 4.0, np.inf]),
        cancel=np.array([False, True, False, False, True]),
        cancelled=np.array([1.0, 2.0, 3.0, 4.0, 5.0]),
    )
    assert times.tolist() == [1, 2, 3, 4, 5]
    # 4/5 wait after 1, of 4 at risk one is cancelled at 2: 1/5; 3/5 wait to 4, of 2 one starts: 3/10 left for 5
    assert shares == pytest.approx([0, 0.2, 0.2, 0.2, 0.5])
