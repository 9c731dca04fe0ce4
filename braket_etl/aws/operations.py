"""Braket's operations, and one of CloudTrail's, as far as this program asks them: all that has to be known of each, once.

Who asks, who counts requests, who checks an answer, the doctor and the policy read it here. A table says by its
`operation` which of these gives its rows. What is done with an answer does not belong here.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Quota:
    """What Braket documents for an operation: requests a second, and how many may come at once."""

    rate: float
    burst: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """What every operation has.

    `service` is what it belongs to. `about` says in words what an answer is about. `arn_member` holds the ARN of a
    record: in the question and the answer of a Get, in each entry of a Search. `quota` is None where only the quota
    for all is documented. `lost` is what a run goes on without where the operation is not allowed; None where a
    Region cannot be pulled then.
    """

    name: str
    service: str = "braket"
    about: str
    arn_member: str
    quota: Quota | None = None
    lost: str | None = None

    @property
    def action(self) -> str:
        """The IAM action that allows it."""
        return f"{self.service}:{self.name}"

    @property
    def is_needed(self) -> bool:
        """Whether nothing of a Region can be pulled without it."""
        return self.lost is None


@dataclass(frozen=True, slots=True, kw_only=True)
class Get(Operation):
    """An operation that gives one record.

    `arn_kind` is what the resource of a record's ARN begins with, where a policy names such ARNs. `side_members` are
    those on which neither money nor the record's place in time depends: whatever they are, the record is one. Those of
    them that every record has must be there all the same, since a body that lacks them is cut. `attributes` are asked
    for beyond what it gives by itself.
    """

    side_members: frozenset[str]
    arn_kind: str | None = None
    attributes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Search(Operation):
    """An operation that lists records, page by page.

    `entries` is the list in its answer, of whose entries only the members `needed` must be there: the rest comes with the
    record itself, and an entry that lacks more must not fail the search of all its neighbours. An entry is complete
    that has `required` too, the others that the API's model wants. `next_page` is what leads to the next page.
    """

    entries: str
    needed: tuple[str, ...]
    required: tuple[str, ...] = ()
    next_page: str = "nextToken"

    @property
    def is_dated(self) -> bool:
        """Whether it is searched by time of creation."""
        return CREATED in self.needed


CREATED = "createdAt"

# Quotas: https://docs.aws.amazon.com/braket/latest/developerguide/braket-quotas.html
# An account may have been granted up to twice these rates, which no API tells; throttling is always obeyed.
QUOTA_FOR_ALL = Quota(140, 600)

GET_TASK = Get(
    name="GetQuantumTask",
    about="one quantum task",
    arn_member="quantumTaskArn",
    arn_kind="quantum-task",
    quota=Quota(100, 500),
    attributes=("QueueInfo",),
    side_members=frozenset(
        {"queueInfo", "actionMetadata", "experimentalCapabilities", "failureReason", "deviceParameters"}
    ),
)
SEARCH_TASKS = Search(
    name="SearchQuantumTasks",
    about="tasks",
    arn_member="quantumTaskArn",
    quota=Quota(5, 50),
    entries="quantumTasks",
    needed=("quantumTaskArn", CREATED, "status"),
    required=("deviceArn", "shots", "outputS3Bucket", "outputS3Directory"),
)
GET_JOB = Get(
    name="GetJob",
    about="one hybrid job",
    arn_member="jobArn",
    arn_kind="job",
    quota=Quota(5, 25),
    attributes=("QueueInfo",),
    side_members=frozenset(
        {
            "queueInfo",
            "events",
            "algorithmSpecification",
            "checkpointConfig",
            "deviceConfig",
            "failureReason",
            "hyperParameters",
            "inputDataConfig",
            "outputDataConfig",
            "stoppingCondition",
        }
    ),
)
SEARCH_JOBS = Search(
    name="SearchJobs",
    about="jobs",
    arn_member="jobArn",
    quota=Quota(5, 50),
    entries="jobs",
    needed=("jobArn", CREATED, "status"),
    required=("jobName",),  # the model requires `device` too, but jobs without one are known
)
SEARCH_DEVICES = Search(
    name="SearchDevices",
    about="devices",
    arn_member="deviceArn",
    quota=Quota(5, 50),
    lost="devices that no task names are not stored",
    entries="devices",
    needed=("deviceArn",),
)
GET_DEVICE = Get(
    name="GetDevice",
    about="one device",
    arn_member="deviceArn",
    quota=Quota(5, 50),
    lost="devices, their queue depths and opening hours are not stored",
    side_members=frozenset({"deviceQueueInfo", "deviceStatusReason"}),
)
SEARCH_SPENDING_LIMITS = Search(
    name="SearchSpendingLimits",
    about="spending limits, a page of them",
    arn_member="spendingLimitArn",
    lost="spending limits are not stored",
    entries="spendingLimits",
    needed=("spendingLimitArn",),
)
# https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_LookupEvents.html: two a second in an account and Region.
LOOKUP_EVENTS = Search(
    name="LookupEvents",
    service="cloudtrail",
    about="who created tasks and jobs",
    arn_member="EventId",
    quota=Quota(2, 2),
    lost="who created tasks and jobs is not known",
    entries="Events",
    needed=("EventId", "CloudTrailEvent"),
    next_page="NextToken",
)

#: In the order of the policy's actions, and of the buckets in a budget that is kept (throttle.py).
OPERATIONS: tuple[Get | Search, ...] = (
    GET_TASK,
    SEARCH_TASKS,
    GET_JOB,
    SEARCH_JOBS,
    SEARCH_DEVICES,
    GET_DEVICE,
    SEARCH_SPENDING_LIMITS,
)
BY_NAME: dict[str, Get | Search] = {each.name: each for each in (*OPERATIONS, LOOKUP_EVENTS)}
GETS = {operation.name: operation for operation in OPERATIONS if isinstance(operation, Get)}
