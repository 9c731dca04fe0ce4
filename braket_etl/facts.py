"""What is true of Amazon Braket itself, and what none of its answers says."""

from __future__ import annotations

from datetime import date, timedelta

#: General availability of Amazon Braket: https://aws.amazon.com/blogs/aws/amazon-braket-go-hands-on-with-quantum-computing/
LAUNCH = date(2020, 8, 13)
#: Braket deletes a task's metadata after so long; how long it keeps jobs is not told. SQL says it in `day_coverage`.
REMEMBERED = timedelta(days=90)

#: Keys of devices that take no tasks any more and still have prices, as Amazon Braket's SDK 1.127.5 marks them. GetDevice
#: tells it of each; this is for who has not asked it.
RETIRED = frozenset(
    [
        *(
            "2000q",
            "advantage",
            "ankaa-2",
            "ankaa-3",
            "aria-1",
            "aria-2",
            "aspen-8",
            "aspen-9",
            "aspen-10",
            "aspen-11",
        ),
        *("aspen-m", "borealis", "harmony", "ionqdevice", "lucy", "tn1"),
    ]
)

#: After so long without a search what is stored is out of date: a schedule asks every hour.
STALE = timedelta(hours=24)
