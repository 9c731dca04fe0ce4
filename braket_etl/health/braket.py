"""What the credentials may do: each account's identity, and each needed action tried once in each Region.

One tiny call an action. What cannot be had but is not needed (STS, S3, devices, limits) is a warning, never more.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, TypeVar
from urllib.parse import urlsplit

from botocore import exceptions as boto
from botocore.config import Config

from braket_etl.aws.call import BadBody, call
from braket_etl.aws.errors import (
    THROTTLING_CODES,
    AccessDenied,
    AwsProblem,
    EndpointUnreachable,
    NotFound,
    classify,
)
from braket_etl.aws.operations import (
    BY_NAME,
    CREATED,
    GET_DEVICE,
    GET_JOB,
    GET_TASK,
    LOOKUP_EVENTS,
    OPERATIONS,
    SEARCH_DEVICES,
    SEARCH_JOBS,
    SEARCH_SPENDING_LIMITS,
    SEARCH_TASKS,
    Get,
    Operation,
    Search,
)
from braket_etl.aws.results import results_key
from braket_etl.aws.sessions import Account, Sessions, Target
from braket_etl.aws.stamp import Stamp
from braket_etl.aws.throttle import Budget, Stopped
from braket_etl.facts import REMEMBERED
from braket_etl.health.finding import Finding, Status

T = TypeVar("T")
CONNECT_SECONDS = 3.0
READ_SECONDS = 10.0
ALL_SECONDS = 60.0
"""How long the accounts, and then the Regions, may take; what has not answered by then is said to be silent."""

_THREADS = 32
_SKEW_NOTICED = timedelta(seconds=60)
_SKEW_REFUSED = timedelta(minutes=5)  # AWS refuses signatures that are so far off
_NO_RECORD = "00000000-0000-0000-0000-000000000000"
_NO_ACCOUNT = "000000000000"
_SIMULATOR = "arn:aws:braket:::device/quantum-simulator/amazon/sv1"
_METHODS = {
    "env": "environment variables",
    "shared-credentials-file": "shared credentials file",
    "config-file": "AWS configuration file",
    "assume-role": "assumed role",
    "assume-role-with-web-identity": "web identity",
    "sso": "IAM Identity Center login",
    "login": "AWS login",
    "custom-process": "credential process",
    "container-role": "container role",
    "iam-role": "instance role",
}


@dataclass(frozen=True)
class Answer:
    """What trying one action gave: `allowed` is None where the answer does not tell."""

    account: str
    region: str
    action: str
    needed: bool
    allowed: bool | None
    said: str = ""


@dataclass
class RegionAnswers:
    """What one account was answered in one Region; `problem` is why nothing more was tried."""

    target: Target
    answers: list[Answer] = field(default_factory=list)
    problem: AwsProblem | None = None
    skew: timedelta | None = None
    results_at: tuple[str, str] | None = None
    """Bucket and key of the results of a completed task, where one was seen."""

    def denied(self, *, needed: bool) -> list[Answer]:
        """The actions that are not allowed."""
        return [each for each in self.answers if each.allowed is False and each.needed is needed]


@dataclass(frozen=True)
class Identity:
    """Who an account's credentials are: its id where it is known, or the problem for which Braket cannot be asked."""

    account: Account
    finding: Finding
    account_id: str | None = None
    problem: AwsProblem | None = None


BudgetOf = Callable[[Target], Budget | None]


def hurried_sessions(accounts: Iterable[Account]) -> Sessions:
    """Sessions that do not wait long for an answer."""
    return Sessions(accounts, connect_timeout=CONNECT_SECONDS, read_timeout=READ_SECONDS, attempts=1)


def look_at_accounts(sessions: Sessions, region: str) -> list[Identity]:
    """Who the credentials of each account are; STS is asked in the Region, and need not answer."""
    done = _side_by_side([partial(_identity, sessions, each, region) for each in sessions.accounts])
    return [
        identity or _unusable(account, EndpointUnreachable(_SILENT))
        for account, identity in zip(sessions.accounts, done, strict=True)
    ]


def look_at_regions(
    sessions: Sessions,
    identities: Sequence[Identity],
    targets: Sequence[Target],
    budget_of: BudgetOf,
    *,
    callers: bool = False,
) -> list[RegionAnswers]:
    """Try every action in every Region of the accounts that are usable; with `callers` CloudTrail's too."""
    ids = {identity.account: identity.account_id for identity in identities if not identity.problem}
    asked = [target for target in targets if target.account in ids]
    stop = threading.Event()
    looks = [
        partial(
            _RegionLook(sessions, target, ids[target.account], budget_of(target), stop).look, callers=callers
        )
        for target in asked
    ]
    done = _side_by_side(looks, stop)
    return [
        found or RegionAnswers(target, problem=EndpointUnreachable(_SILENT))
        for target, found in zip(asked, done, strict=True)
    ]


def region_findings(regions: Sequence[RegionAnswers]) -> Iterator[Finding]:
    """How it is with each account and Region; what is wrong in all of an account's Regions is said once."""
    for account in dict.fromkeys(each.target.account for each in regions):
        ours = [each for each in regions if each.target.account == account]
        first = ours[0].problem
        if len(ours) > 1 and first and all(o.problem and o.problem.code == first.code for o in ours):
            yield Finding(f"{account.name}, all Regions", "fail", first.message, _REACH)
        else:
            yield from map(_region_finding, ours)


def clock_finding(regions: Iterable[RegionAnswers]) -> Iterator[Finding]:
    """How far this machine's clock is from Braket's, by the Date header of its answers."""
    skews = [each.skew for each in regions if each.skew is not None]
    if not skews:
        return
    skew = max(skews, key=abs)
    status: Status = "ok" if abs(skew) < _SKEW_NOTICED else "warn" if abs(skew) < _SKEW_REFUSED else "fail"
    ahead = "ahead of" if skew > timedelta() else "behind"
    what = (
        f"{abs(skew).total_seconds():,.0f} s {ahead} Braket's" if status != "ok" else "agrees with Braket's"
    )
    yield Finding(
        "clock", status, what, "" if status == "ok" else "set this machine's clock, for example by NTP"
    )


def results_findings(sessions: Sessions, regions: Sequence[RegionAnswers]) -> Iterator[Finding]:
    """Whether the results of one task of each account can be read; only run times of simulators need them."""
    for account in dict.fromkeys(each.target.account for each in regions):
        seen = [each for each in regions if each.target.account == account and each.results_at]
        if not seen or seen[0].results_at is None:
            continue
        name, (bucket, key) = f"results of {account.name}", seen[0].results_at
        try:
            sessions.s3(account, seen[0].target.region).head_object(Bucket=bucket, Key=key)
            yield Finding(name, "ok", f"s3:GetObject on {bucket} is allowed")
        except (AwsProblem, boto.ClientError, boto.BotoCoreError) as error:
            said = classify(error).message
            yield Finding(
                name,
                "warn",
                f"{bucket} cannot be read: {said}",
                "run times of simulators, and so their costs, stay unknown; allow s3:GetObject on the bucket",
            )


_SILENT = f"no answer within {ALL_SECONDS:.0f} s"
_N_NEEDED = sum(each.is_needed for each in OPERATIONS)
_REACH = "check network, proxy and the credentials' validity; a run names what it cannot reach and goes on with the rest"
_GRANT = "`braket-etl init` writes the IAM policy that allows it"


class _RegionLook:
    """The calls for one account in one Region, one after the other."""

    def __init__(
        self,
        sessions: Sessions,
        target: Target,
        account_id: str | None,
        budget: Budget | None,
        stop: threading.Event,
    ) -> None:
        self._sessions = sessions
        self._target = target
        self._budget = budget
        self._stop = stop
        self._id = account_id
        self._found = RegionAnswers(target)

    def look(self, *, callers: bool) -> RegionAnswers:
        try:
            tasks = self._search(SEARCH_TASKS)
            jobs = self._search(SEARCH_JOBS)
            self._get_task(tasks)
            self._get(GET_JOB, jobs)
            self._get(GET_DEVICE, self._search(SEARCH_DEVICES))
            self._search(SEARCH_SPENDING_LIMITS)
            if callers:
                attribute = {"AttributeKey": "EventName", "AttributeValue": "CreateJob"}
                self._try(LOOKUP_EVENTS, {"LookupAttributes": [attribute], "MaxResults": 1})
        except AwsProblem as problem:
            self._found.problem = problem
        return self._found

    def _search(self, search: Search) -> list[dict[str, Any]]:
        filters = [_lately()] if search.is_dated else []
        body = self._try(search, {"filters": filters, "maxResults": 10})
        entries: list[dict[str, Any]] = body[search.entries] if body else []
        return entries

    def _get_task(self, listed: Sequence[dict[str, Any]]) -> None:
        completed = [task for task in listed if task["status"] == "COMPLETED"]
        body = self._get(GET_TASK, (*completed, *listed))
        if body and completed:
            bucket, directory = str(body["outputS3Bucket"]), str(body["outputS3Directory"])
            self._found.results_at = bucket, results_key(directory)

    def _get(self, get: Get, listed: Sequence[dict[str, Any]]) -> dict[str, Any] | None:
        arn = next((str(entry[get.arn_member]) for entry in listed), None)
        return self._try(get, {get.arn_member: arn or self._somewhere(get)})

    def _somewhere(self, get: Get) -> str:
        """An ARN to ask for where none is listed: of no record; of devices, one that is always there."""
        if not get.arn_kind:
            return _SIMULATOR
        owner = self._id or _NO_ACCOUNT
        return f"arn:aws:braket:{self._target.region}:{owner}:{get.arn_kind}/{_NO_RECORD}"

    def _try(self, operation: Operation, parameters: dict[str, Any]) -> dict[str, Any] | None:
        """Ask once and note what that says about the operation; the body, None where there is none.

        Raises AwsProblem for what the next operation would meet as well.
        """
        try:
            of_another = operation.service == LOOKUP_EVENTS.service
            client = (self._sessions.cloudtrail if of_another else self._sessions.braket)(self._target)
            response = call(
                client, operation.name, parameters, self._budget, patience=CONNECT_SECONDS, stop=self._stop
            )
        except NotFound as problem:
            self._note(operation, allowed=True, stamp=problem.stamp)
        except AccessDenied as problem:
            # a record of an account that is not known to be ours is refused whatever is allowed
            of_unknown = any(f":{_NO_ACCOUNT}:" in str(value) for value in parameters.values())
            self._note(operation, allowed=None if of_unknown else False, said=problem.message)
        except BadBody as error:
            self._note(operation, allowed=True, said=error.error, stamp=error.stamp)
        except Stopped:
            raise EndpointUnreachable(_SILENT) from None
        except AwsProblem as problem:
            if problem.code == "ValidationException":
                self._note(operation, allowed=True, said=problem.message)
            elif problem.code in THROTTLING_CODES or not operation.is_needed:
                self._note(operation, allowed=None, said=problem.message)
            else:
                raise
        else:
            self._note(operation, allowed=True, stamp=response.stamp)
            return response.body
        return None

    def _note(
        self, operation: Operation, *, allowed: bool | None, said: str = "", stamp: Stamp | None = None
    ) -> None:
        target = self._target
        self._found.answers.append(
            Answer(target.account.name, target.region, operation.name, operation.is_needed, allowed, said)
        )
        if stamp is not None and stamp.dated is not None and self._found.skew is None:
            self._found.skew = stamp.seen_at - stamp.dated


def _lately() -> dict[str, Any]:
    """The filter of a search for what was created in the days that Braket remembers."""
    now = datetime.now(UTC)
    ends = [f"{moment:%Y-%m-%dT%H:%M:%SZ}" for moment in (now - REMEMBERED, now)]
    return {"name": CREATED, "operator": "BETWEEN", "values": ends}


def _region_finding(found: RegionAnswers) -> Finding:
    name = found.target.label
    refused, missed = found.denied(needed=True), found.denied(needed=False)
    if refused:
        region = found.target.region
        elsewhere = f", or leave {region} out of BRAKET_ETL_REGIONS" if len(refused) == _N_NEEDED else ""
        return Finding(
            name, "fail", f"{_listed(refused)} not allowed: {refused[0].said}", f"{_GRANT}{elsewhere}"
        )
    if found.problem is not None:
        tried = f" at {found.problem.operation}" if found.problem.operation else ""
        return Finding(name, "fail", f"{found.problem.message}{tried}", _REACH)
    if missed:
        lost = "; ".join(BY_NAME[each.action].lost or "" for each in missed)
        return Finding(name, "warn", f"{_listed(missed)} not allowed: {lost}", _GRANT)
    untold = [each for each in found.answers if each.allowed is None]
    if untold:
        what = f"{_listed(untold)} cannot be told: {untold[0].said}"
        return Finding(name, "warn", what, "run `braket-etl doctor` again; a run goes on all the same")
    return Finding(name, "ok", f"all {len(found.answers)} actions are allowed")


def _listed(answers: Iterable[Answer]) -> str:
    return ", ".join(BY_NAME[each.action].action for each in answers)


def _identity(sessions: Sessions, account: Account, region: str) -> Identity:
    name = f"account {account.name}"
    try:
        sessions.check_credentials(account)
        session = sessions.session(account)
        method = str(session.get_credentials().method)
    except AwsProblem as problem:
        return _unusable(account, problem)
    source = _METHODS.get(method, method)
    if account.role_arn:
        source = f"{source} {account.role_arn}"
    known = sessions.principal(account)
    known_id = known if known and known.isdecimal() else _account_of_role(account)
    if _is_local(sessions.braket(Target(account, region))):
        what = f"{source}; account {known_id or 'unknown'}; STS is not asked, Braket's endpoint is on this machine"
        return Identity(account, Finding(name, "ok", what), known_id)
    try:
        config = Config(
            connect_timeout=CONNECT_SECONDS, read_timeout=CONNECT_SECONDS, retries={"total_max_attempts": 1}
        )
        sts = session.client("sts", region_name=region, config=config)
        caller = sts.get_caller_identity()
    except (boto.ClientError, boto.BotoCoreError) as error:
        what = f"{source}; STS does not say who this is: {classify(error).message}"
        return Identity(
            account, Finding(name, "warn", what, "nothing needs STS but roles to assume"), known_id
        )
    return Identity(account, Finding(name, "ok", f"{source}; {caller['Arn']}"), str(caller["Account"]))


def _unusable(account: Account, problem: AwsProblem) -> Identity:
    remedy = "" if "`" in problem.message else "check the account in braket_etl.toml and ~/.aws/config"
    finding = Finding(f"account {account.name}", "fail", problem.message, remedy)
    return Identity(account, finding, problem=problem)


def _account_of_role(account: Account) -> str | None:
    parts = (account.role_arn or "").split(":")
    return parts[4] if len(parts) > 4 else None


def _is_local(client: Any) -> bool:
    """Whether Braket's endpoint is a stand-in on this machine, whose credentials are of no use to AWS."""
    return urlsplit(client.meta.endpoint_url).hostname in ("127.0.0.1", "localhost", "::1")


def _side_by_side(looks: Sequence[Callable[[], T]], stop: threading.Event | None = None) -> list[T | None]:
    """What each gives, in order; None for what is not done in time."""
    pool = ThreadPoolExecutor(min(_THREADS, len(looks)) or 1)
    futures: list[Future[T]] = [pool.submit(look) for look in looks]
    done, _ = wait(futures, timeout=ALL_SECONDS)
    if stop is not None:
        stop.set()
    pool.shutdown(wait=False, cancel_futures=True)
    return [future.result() if future in done else None for future in futures]
