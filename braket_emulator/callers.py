"""Who calls, and in which Region: read from the SigV4 `Authorization` header, as AWS itself does.

Signatures are not checked: the emulator holds nothing secret, and dummy keys must do.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Sequence
from dataclasses import dataclass

from braket_emulator.service_model import ApiError

_CREDENTIAL = re.compile(
    rb"AWS4-HMAC-SHA256 +Credential=([\w.+=@-]+)/\d{8}/([a-z0-9-]+)/(braket|s3|cloudtrail)/aws4_request\s*,"
)
# An access key's characters after its four-letter prefix are base32; bits 7 to 46 of the first six bytes are
# the account id. Widely known and used, though not in AWS's reference.
_ACCOUNT_BITS = 0x7FFFFFFFFF80
_TOP_BIT = 1 << 47


@dataclass(frozen=True, slots=True)
class Caller:
    """An account in a Region, and the service that it signed for."""

    account: str
    region: str
    service: str = "braket"


def access_key_for(account: str) -> str:
    """A dummy access key that names its account the way AWS's keys do."""
    number = (int(account) << 7) | _TOP_BIT
    return "AKIA" + base64.b32encode(number.to_bytes(6) + b"demo").decode()


def account_in(access_key: str) -> str | None:
    """The account id that an access key of AWS's form carries; None for a key of another form."""
    if access_key[:4] not in ("AKIA", "ASIA"):
        return None
    try:
        raw = base64.b32decode(access_key[4:])
    except binascii.Error:
        return None
    return f"{(int.from_bytes(raw[:6]) & _ACCOUNT_BITS) >> 7:012d}" if len(raw) >= 6 else None


class Callers:
    """Knows the account of an access key: by an explicit map, by the key itself, else the first account."""

    def __init__(self, accounts: Sequence[str]) -> None:
        self._accounts = accounts
        self._mapped: dict[str, str] = {}
        self._seen: dict[bytes, Caller] = {}

    def map_keys(self, keys: dict[str, str]) -> None:
        """From now on these access keys belong to these accounts."""
        self._mapped.update(keys)
        self._seen.clear()

    def caller(self, authorization: bytes | None, service: str = "braket") -> Caller:
        """The caller that a request to this service names; ApiError where it names none."""
        if not authorization:
            raise ApiError("MissingAuthenticationTokenException", "Missing Authentication Token")
        credential = authorization.partition(b",")[0]
        known = self._seen.get(credential)
        if known is None:
            match = _CREDENTIAL.match(authorization)
            if match is None:
                raise _out_of_scope(service)
            known = Caller(self._account(match[1].decode()), match[2].decode(), match[3].decode())
            if len(self._seen) < 10_000:  # keys come from outside: the memory of them must not grow for ever
                self._seen[credential] = known
        if known.service != service:
            raise _out_of_scope(service)
        return known

    def _account(self, access_key: str) -> str:
        account = self._mapped.get(access_key) or account_in(access_key)
        return account if account and account in self._accounts else self._accounts[0]


def _out_of_scope(service: str) -> ApiError:
    return ApiError("AccessDeniedException", f"Authorization header is not a SigV4 scope of {service}")
