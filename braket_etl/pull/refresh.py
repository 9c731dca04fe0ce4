"""What a run asks for by ARN, besides the days that it searches: what is open, due for another get, or rejected."""

from __future__ import annotations

from collections.abc import Sequence

from braket_etl.aws.sessions import Target
from braket_etl.pull.outcome import Outcome
from braket_etl.pull.puller import Puller
from braket_etl.pull.rejects import retry_due
from braket_etl.pull.resources import RESOURCES


def refresh(puller: Puller, targets: Sequence[Target], *, only_open: bool) -> Outcome:
    """Fetch every open record; unless `only_open` also what had just ended and is due, and rejects that are due."""
    outcome = puller.refresh_open(targets, RESOURCES, with_due=not only_open)
    return outcome if only_open else outcome + retry_due(puller, targets)
