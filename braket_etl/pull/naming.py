"""What people are called in the warehouse: by their names, or by pseudonyms, as `BRAKET_ETL_CREATED_BY` says."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from braket_etl.tables.record_callers import NOBODY
from braket_etl.warehouse.secret_files import kept_secret

KEY_FILE = "created_by.key"
_DIGITS = 16
#: What every pseudonym matches, and no name that somebody chose but on purpose.
PSEUDONYM = rf"person-[0-9a-f]{{{_DIGITS}}}"


@dataclass(frozen=True, slots=True)
class Naming:
    """How callers are named; with a `key` by pseudonyms: HMAC-SHA256 of the name, the same for each key and name."""

    key: str | None = None

    def named(self, caller: Mapping[str, Any]) -> Mapping[str, Any]:
        """A caller's kind, name and ARN (members of `userIdentity`, see `caller_body`) as they are stored."""
        if self.key is None or caller["type"] in NOBODY:
            return caller
        return {"type": caller["type"], "userName": self.pseudonym(caller["userName"])}

    def pseudonym(self, name: str) -> str:
        """The pseudonym of a name, 64 bits of the hash; the name itself where none are given, or it is one already."""
        if self.key is None or re.fullmatch(PSEUDONYM, name):
            return name
        digest = hmac.new(self.key.encode(), name.encode("utf-8", "surrogatepass"), hashlib.sha256)
        return f"person-{digest.hexdigest()[:_DIGITS]}"

    def principal(self, arn: str) -> str:
        """What stands for the ARN of a caller: with a key the pseudonym of its last part, by which callers are named."""
        return arn if self.key is None else self.pseudonym(arn.rpartition("/")[2])

    def kept(self, record: Mapping[str, Any]) -> Mapping[str, Any]:
        """What is kept of a record of CloudTrail that names no caller or nothing that was created: with a key, nobody."""
        if self.key is None:
            return record
        told = ("eventID", "eventName", "eventSource", "eventTime", "recipientAccountId", "responseElements")
        return {name: record[name] for name in told if name in record}


def naming(created_by: str, home: Path) -> Naming | None:
    """How the setting wants people to be named, None for not at all; the key lies in the home, made on first use.

    Raises OSError.
    """
    if created_by == "off":
        return None
    return Naming(kept_secret(home / KEY_FILE) if created_by == "pseudonym" else None)
