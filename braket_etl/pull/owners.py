"""Whose records are whose: which configured account reaches which AWS account."""

from __future__ import annotations

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


def last_account_id(connection: Connection, account: str, principal: str | None) -> str | None:
    """The account id that these credentials were last seen to reach; only what a search lists tells it.

    A search that lists nothing, since what was there is gone or was moved to another day, takes nothing back.
    """
    found: list[tuple[str | None]] = connection.execute(
        "SELECT arg_max(account_id, searched_at) FROM etl.coverage WHERE account_id IS NOT NULL AND account = ? "
        "AND principal IS NOT DISTINCT FROM ?",
        [account, principal],
    ).fetchall()
    return found[0][0]
