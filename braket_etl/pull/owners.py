"""Whose records are whose: which configured account reaches which AWS account."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from braket_etl.aws.sessions import Account, Sessions
from braket_etl.warehouse.connection import Connection


def owners(connection: Connection, sessions: Sessions) -> dict[str, Account | None]:
    """The configured account that reaches each account id that searches found.

    None where it was found with other credentials only: the name of an account says nothing, since the keys
    behind it may be another account's by now.
    """
    configured = {(account.name, sessions.principal(account)): account for account in sessions.accounts}
    found = connection.execute(
        "SELECT DISTINCT account_id, account, principal FROM etl.coverage WHERE account_id IS NOT NULL ORDER BY ALL"
    ).fetchall()
    reached: dict[str, Account | None] = {}
    for account_id, name, principal in found:
        reached[account_id] = configured.get((name, principal)) or reached.get(account_id)
    return reached


def account_ids_by_day(
    connection: Connection, account: str, principal: str | None, region: str, table: str, days: Sequence[date]
) -> dict[date, str]:
    """The account id that earlier searches of these days with the same credentials found, of the days where one did.

    Only what a search lists tells it. A later one that lists nothing, since what was there is gone or was moved to another
    day, takes nothing back.
    """
    found = connection.execute(
        "SELECT day, account_id FROM etl.coverage WHERE account_id IS NOT NULL AND account = ? "
        "AND principal IS NOT DISTINCT FROM ? AND region = ? AND table_name = ? AND list_contains(?, day) ORDER BY day",
        [account, principal, region, table, list(days)],
    )
    return dict(found.fetchall())
