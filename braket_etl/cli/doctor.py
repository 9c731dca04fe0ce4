"""`doctor`: whether braket_etl can do its work here, and what to do where it cannot."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field

from rich.text import Text

from braket_etl import __version__
from braket_etl.aws.errors import BadConfiguration, MissingCredentials
from braket_etl.aws.sessions import Target
from braket_etl.aws.throttle import Budget, Budgets
from braket_etl.cli.output import as_json as to_json
from braket_etl.cli.output import is_quiet, printable, say, show_columns
from braket_etl.health.braket import (
    Answer,
    clock_finding,
    hurried_sessions,
    look_at_accounts,
    look_at_regions,
    region_findings,
    results_findings,
)
from braket_etl.health.configured import configured
from braket_etl.health.finding import Finding, worst
from braket_etl.health.here import look_here
from braket_etl.runtime import Runtime, budget_place
from braket_etl.settings import Settings

_STYLES = {"ok": "green", "warn": "yellow", "fail": "bold red"}


@dataclass
class _Braket:
    """What was seen of AWS: the findings, what each action gave, and whether no account has credentials."""

    findings: list[Finding] = field(default_factory=list)
    actions: list[Answer] = field(default_factory=list)
    nobody: bool = False


def run_doctor(accounts: Sequence[str], flags: Collection[str], *, as_json: bool) -> int:
    """Look at everything and tell; 1 where something is broken, 2 where no account has credentials."""
    runtime = Runtime()
    settings, targets = runtime.settings, runtime.targets(accounts)
    with ThreadPoolExecutor(1) as aside:
        here = aside.submit(lambda: list(look_here(settings, runtime.warehouse)))
        seen = _look_at_braket(settings, targets)
    findings = [*seen.findings, *here.result()]
    if as_json:
        print(
            to_json(
                {
                    "version": __version__,
                    "status": worst(findings),
                    "findings": [asdict(finding) for finding in findings],
                    "actions": [asdict(action) for action in seen.actions],
                    "settings": [asdict(each) for each in configured(settings, flags)],
                },
                indent=2,
            )
        )
    else:
        _show(findings, settings, flags)
    if seen.nobody:
        return 2
    return 1 if worst(findings) == "fail" else 0


def _look_at_braket(settings: Settings, targets: Sequence[Target]) -> _Braket:
    if settings.is_demo and "AWS_ENDPOINT_URL_BRAKET" not in os.environ:
        return _Braket([Finding("Braket", "ok", "not asked: this home holds the demo's synthetic data")])
    sessions = hurried_sessions(dict.fromkeys(target.account for target in targets))
    identities = look_at_accounts(sessions, targets[0].region)
    regions = look_at_regions(
        sessions, identities, targets, _budgets(settings), callers=settings.created_by != "off"
    )
    return _Braket(
        [
            *(identity.finding for identity in identities),
            *region_findings(regions),
            *clock_finding(regions),
            *(results_findings(sessions, regions) if settings.results != "off" else ()),
        ],
        [answer for region in regions for answer in region.answers],
        nobody=all(isinstance(each.problem, MissingCredentials | BadConfiguration) for each in identities),
    )


def _budgets(settings: Settings) -> Callable[[Target], Budget | None]:
    """The budget that other processes share with us; before the first run there is none, and none is made."""
    if settings.redis is None and not settings.budget_folder.is_dir():
        return lambda target: None
    budgets = Budgets(budget_place(settings), settings.quota_share)
    return lambda target: budgets.budget(target.account.name, target.region)


def _show(findings: Sequence[Finding], settings: Settings, flags: Collection[str]) -> None:
    show_columns(
        [
            (Text(f"{finding.status:4}", _STYLES[finding.status]), finding.name, _what(finding))
            for finding in findings
            if finding.status != "ok" or not is_quiet()
        ]
    )
    if not is_quiet():
        show_columns(
            [(each.name, each.value, each.origin) for each in configured(settings, flags)], "settings"
        )
    counts = {status: sum(finding.status == status for finding in findings) for status in _STYLES}
    say(
        "all is well"
        if counts["ok"] == len(findings)
        else f"{counts['fail']} broken, {counts['warn']} worth a look, {counts['ok']} well"
    )


def _what(finding: Finding) -> Text:
    text = Text(printable(finding.what))
    return text.append(f"\n→ {printable(finding.remedy)}", "bold") if finding.remedy else text
