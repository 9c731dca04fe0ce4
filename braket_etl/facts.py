"""What is true of Amazon Braket itself, and what none of its answers says."""

from __future__ import annotations

from datetime import timedelta

#: Braket deletes a task's metadata after so long; how long it keeps jobs is not told. SQL says it in `day_coverage`.
REMEMBERED = timedelta(days=90)
