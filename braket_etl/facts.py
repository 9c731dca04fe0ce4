"""What is true of Amazon Braket itself, and what none of its answers says."""

from __future__ import annotations

from datetime import date, timedelta

#: General availability of Amazon Braket: https://aws.amazon.com/blogs/aws/amazon-braket-go-hands-on-with-quantum-computing/
LAUNCH = date(2020, 8, 13)
#: Braket deletes a task's metadata after so long; how long it keeps jobs is not told. SQL says it in `day_coverage`.
REMEMBERED = timedelta(days=90)
