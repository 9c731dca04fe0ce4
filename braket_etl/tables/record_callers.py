"""`record_callers`: who created a task or job, as CloudTrail recorded the call.

Here is the declaration, and what a record of CloudTrail says of its caller; reading records from files, S3 or a queue
is `braket_etl.pull.events`. The names are personal data: nothing is stored unless the settings say so.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from braket_etl.tables.arns import owner_of
from braket_etl.tables.declaration import Table, instant, text
from braket_etl.tables.shared_columns import owner_columns

#: Braket, and its calls that create a record, as CloudTrail spells them.
BRAKET = "braket.amazonaws.com"
CREATES = {"CreateQuantumTask": "quantumTaskArn", "CreateJob": "jobArn"}
#: The type of a `userIdentity` → what kind of caller it is; others are kept as they are spelled.
KINDS = {
    "IAMUser": "user",
    "AssumedRole": "session",
    "FederatedUser": "federated",
    "IdentityCenterUser": "identity_center",
    "Root": "root",
    "AWSAccount": "account",
    "AWSService": "service",
}
#: Kinds that are no person, whose names are no pseudonyms either.
NOBODY = frozenset({"root", "account", "service"})

RECORD_CALLERS = Table(
    name="record_callers",
    description=(
        "One row a task or job of which CloudTrail told who created it, by LookupEvents or in the feed of events, or a "
        "bill did by ARN. "
        "Filled only where BRAKET_ETL_CREATED_BY says so, since it is personal data. `created_by` of quantum_tasks and jobs "
        "comes from here."
    ),
    key=("record_arn",),
    operation="CloudTrailEvent",
    columns=(
        text("record_arn", "The task or the job", "responseElements", required=True),
        *owner_columns("record_arn"),
        text(
            "caller",
            "Name of the caller: of an IAM user its name, of an assumed role the name of the session, by which single "
            "sign-on names the person; or a pseudonym, where BRAKET_ETL_CREATED_BY wants one",
            "userIdentity.userName",
            required=True,
        ),
        text(
            "caller_kind",
            f"Kind of the caller: {', '.join(KINDS.values())}",
            "userIdentity.type",
            required=True,
        ),
        text(
            "caller_arn",
            "ARN of the caller, with its role; NULL beside a pseudonym",
            "userIdentity.arn",
            side=True,
        ),
        text("event_id", "Id of the record in CloudTrail, or of the event that brought it", "eventID"),
        instant(
            "event_time",
            "When the call was made, to the second; as a bill tells it, when the use began",
            "eventTime",
            required=True,
        ),
        instant("fetched_at", "When the record was first read", required=True, content=False),
    ),
)


def caller_body(record: Mapping[str, Any]) -> dict[str, Any]:
    """The members of a record of CloudTrail that make a row of record_callers, with the ARN and the name in place.

    Raises ValueError where it names no task or job, or no caller, or a record of another account than it was made for.
    """
    said = record.get("responseElements")
    arn = said.get(CREATES[str(record["eventName"])]) if isinstance(said, Mapping) else None
    if not isinstance(arn, str):
        raise ValueError("responseElements: no ARN of what was created")
    account = record.get("recipientAccountId")
    if account is not None and account != owner_of(arn)[0]:
        raise ValueError("recipientAccountId: another account than the ARN's")
    identity = record.get("userIdentity")
    if not isinstance(identity, Mapping) or not (name := _name_of(identity)):
        raise ValueError("userIdentity: it names no caller")
    kind = str(identity.get("type") or "unknown")
    caller = {**identity, "type": KINDS.get(kind, kind), "userName": name}
    return {**record, "responseElements": arn, "userIdentity": caller}


def _name_of(identity: Mapping[str, Any]) -> str | None:
    """What a caller is called: root, the last part of its ARN, or the first member that names it."""
    if identity.get("type") == "Root":
        return "root"
    behind = identity.get("onBehalfOf")
    names = (
        _last_part(identity.get("arn"), "/"),
        identity.get("userName"),
        behind.get("userId") if isinstance(behind, Mapping) else None,
        _last_part(identity.get("principalId"), ":"),
        identity.get("invokedBy"),
        identity.get("accountId") if identity.get("type") == "AWSAccount" else None,
    )
    return next((name for name in names if isinstance(name, str) and name), None)


def _last_part(text: Any, mark: str) -> str | None:
    return text.rpartition(mark)[2] if isinstance(text, str) and mark in text else None
