"""What the settings make: the warehouse, the sessions, the budgets and the targets of one process.

Everything is made when first asked for, so that importing the definitions touches nothing.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from braket_etl.aws.errors import BadConfiguration
from braket_etl.aws.s3_login import s3_login
from braket_etl.aws.sessions import Account, Sessions, Target, ambient_account, expand_regions
from braket_etl.aws.shared_budget import SharedStates
from braket_etl.aws.throttle import Budgets, Files, Place
from braket_etl.pull.clock import Clock
from braket_etl.pull.naming import Naming, naming
from braket_etl.pull.puller import Progress, Puller
from braket_etl.settings import Settings, load_settings
from braket_etl.tables.redact import Redactor
from braket_etl.warehouse.connection import Warehouse
from braket_etl.warehouse.file import FileWarehouse
from braket_etl.warehouse.lake import Lake


@dataclass
class Runtime:
    """The tools of one process; `flags` are settings given on the command line."""

    flags: Mapping[str, Any] = field(default_factory=dict)
    progress: Progress = field(default_factory=Progress)
    _polled: dict[str, set[str]] = field(default_factory=dict)
    _clocks: dict[str, Clock] = field(default_factory=dict)

    @cached_property
    def settings(self) -> Settings:
        """The settings; raises SettingsError."""
        return load_settings(**self.flags)

    @cached_property
    def warehouse(self) -> Warehouse:
        """The warehouse of these settings: a DuckDB file, or a DuckLake."""
        settings = self.settings
        if settings.lake_catalog is None:
            return FileWarehouse(settings.writer_folder, settings.published_warehouse)
        return Lake(
            settings.writer_folder,
            settings.published_warehouse,
            catalog=settings.lake_catalog,
            data=settings.lake_data,
            s3_login=s3_login,
        )

    @cached_property
    def accounts(self) -> tuple[Account, ...]:
        """The configured accounts, or the ambient credentials."""
        configured = tuple(
            Account(a.name, a.profile, a.role_arn, a.external_id) for a in self.settings.accounts
        )
        return configured or (ambient_account(),)

    @cached_property
    def sessions(self) -> Sessions:
        """Sessions for the accounts; raises BadConfiguration where the demo's home would be filled from AWS."""
        if self.settings.is_demo and "AWS_ENDPOINT_URL_BRAKET" not in os.environ:
            raise BadConfiguration(
                f"{self.settings.home} holds the demo's synthetic data and is not mixed with an account's: "
                "run `braket-etl demo` again, or pull into another home"
            )
        return Sessions(self.accounts)

    @cached_property
    def budgets(self) -> Budgets:
        """The request budgets that this machine's processes share, or all machines."""
        return Budgets(budget_place(self.settings), self.settings.quota_share)

    @cached_property
    def naming(self) -> Naming | None:
        """What people are called in what is stored; None where nobody is kept. Raises OSError."""
        return naming(self.settings.created_by, self.settings.home)

    def chosen_accounts(self, names: Sequence[str] | None = None) -> list[Account]:
        """The accounts that are named, or all; raises BadConfiguration for an unknown name."""
        known = {account.name for account in self.accounts}
        if unknown := sorted(set(names or ()) - known):
            raise BadConfiguration(
                f"no account is called {', '.join(unknown)}; there is {', '.join(sorted(known))}"
            )
        return [account for account in self.accounts if not names or account.name in names]

    def targets(
        self, accounts: Sequence[str] | None = None, regions: Sequence[str] | None = None
    ) -> list[Target]:
        """Every account in every Region, or those that are named; raises BadConfiguration for an unknown name."""
        places = expand_regions(regions or self.settings.regions)
        return [Target(account, region) for account in self.chosen_accounts(accounts) for region in places]

    def puller(self, run_id: str) -> Puller:
        """A puller for one run; its steps share what they have polled, and what time it is."""
        return Puller(
            self.warehouse,
            self.sessions,
            self.budgets,
            run_id,
            self.progress,
            polled=self._polled.setdefault(run_id, set()),
            redactor=Redactor(self.settings.redact),
            clock=self._clocks.setdefault(run_id, Clock()),
        )

    def forget(self, run_id: str) -> None:
        """Let go of what the steps of a run shared."""
        self._polled.pop(run_id, None)
        self._clocks.pop(run_id, None)


def budget_place(settings: Settings) -> Place:
    """Where request budgets lie: in Redis for all machines where one is set, else in files of this one."""
    if settings.redis is not None:
        return SharedStates(settings.redis.get_secret_value())
    return Files(settings.budget_folder)
