"""Every option of an emulator, once: for its command line and for `running()`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

DEMO_ACCOUNT = "123456789012"
DEFAULT_REGION = "us-east-1"


@dataclass(frozen=True, slots=True)
class Options:
    """What an emulator is like; the defaults are the demo's.

    `now` is where its history ends and its clock begins (UTC where it names no zone; None is the present);
    `rate` is seconds of its clock a real second, `frozen` the same as rate 0. `port` 0 takes a free one.
    With `quick`, tasks and jobs that clients create are over at once. `s3_endpoint` is the URL of an S3 to which
    the results of created tasks are written as well; the emulator's own S3 is read-only and has them all.
    With `by_minute` there is also a made-up QPU, Minute, that is billed by the minute, as none of Braket's is.
    """

    port: int = 0
    seed: int = 7
    tasks: int = 2_000
    jobs: int = 60
    days: int = 30
    accounts: Sequence[str] = (DEMO_ACCOUNT,)
    regions: Sequence[str] | None = None
    now: datetime | None = None
    frozen: bool = False
    rate: float = 1.0
    quotas: bool = True
    quick: bool = False
    s3_endpoint: str | None = None
    by_minute: bool = False

    @property
    def first_region(self) -> str:
        """The Region of a client that names none."""
        return self.regions[0] if self.regions else DEFAULT_REGION

    def arguments(self) -> list[str]:
        """The options as command-line arguments."""
        pairs = {
            "port": self.port,
            "seed": self.seed,
            "tasks": self.tasks,
            "jobs": self.jobs,
            "days": self.days,
            "accounts": ",".join(self.accounts),
            "rate": self.rate,
        }
        arguments = [f"--{name}={value}" for name, value in pairs.items()]
        if self.regions is not None:
            arguments.append(f"--regions={','.join(self.regions)}")
        if self.now is not None:
            arguments.append(f"--now={self.now.isoformat()}")
        if self.frozen:
            arguments.append("--frozen")
        if not self.quotas:
            arguments.append("--no-quotas")
        if self.quick:
            arguments.append("--quick")
        if self.by_minute:
            arguments.append("--by-minute")
        if self.s3_endpoint is not None:
            arguments.append(f"--s3-endpoint={self.s3_endpoint}")
        return arguments


DEFAULTS = Options()


def instant(text: str) -> datetime:
    """An ISO-8601 instant, UTC where it names no zone; ValueError if it is none."""
    parsed = datetime.fromisoformat(text)
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)
