"""The problems that AWS can give, told so that a user knows what to do.

Belongs here: the exceptions of this layer and the one place where a driver's exception becomes one of them.
Does not belong here: deciding whether to try again (see call.py), and anything about a body's content.
No message holds a credential or a control character: see safe_text in shown.py.
"""

from __future__ import annotations

from typing import Any

from botocore import exceptions as boto

from braket_etl.aws.stamp import Stamp
from braket_etl.display import safe_text

THROTTLING_CODES = frozenset(
    {
        "ThrottlingException",
        "Throttling",
        "ThrottledException",
        "RequestThrottled",
        "RequestThrottledException",
        "RequestLimitExceeded",
        "TooManyRequestsException",
        "SlowDown",
    }
)
_EXPIRED_CODES = frozenset({"ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired"})
_CLOCK_CODES = frozenset(
    {"RequestExpired", "RequestTimeTooSkewed", "InvalidSignatureException", "SignatureDoesNotMatch"}
)
_ACCESS_CODES = frozenset(
    {
        "AccessDenied",
        "AccessDeniedException",
        "AllAccessDisabled",
        "AuthFailure",
        "InvalidAccessKeyId",
        "InvalidClientTokenId",
        "MissingAuthenticationToken",
        "MissingAuthenticationTokenException",
        "NotAuthorized",
        "OptInRequired",
        "UnauthorizedOperation",
        "UnrecognizedClientException",
    }
)


class AwsProblem(Exception):  # noqa: N818 - named for what the user has
    """A call that did not succeed, with who asked what where; str() is one line for the user.

    `retryable` says that the same call may succeed later without anyone changing anything.
    """

    def __init__(
        self,
        message: str,
        *,
        account: str = "",
        region: str = "",
        operation: str = "",
        code: str = "",
        retryable: bool = False,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.account = account
        self.region = region
        self.operation = operation
        self.code = code
        self.retryable = retryable

    def __str__(self) -> str:
        where = "/".join(part for part in (self.account, self.region) if part)
        head = " ".join(part for part in (where, self.operation) if part)
        return f"{head}: {self.message}" if head else self.message


class MissingCredentials(AwsProblem):
    """No credentials were found for an account."""


class AccessDenied(AwsProblem):
    """The credentials are valid or at least complete, but may not do this."""


class ExpiredCredentials(AwsProblem):
    """The credentials were good once; a new login or token is needed."""


class EndpointUnreachable(AwsProblem):
    """No usable answer came from the endpoint: name, route, TLS, proxy, timeout or a closed connection."""


class BadConfiguration(AwsProblem):
    """Something the user set cannot work: unknown profile or Region, a role that cannot be assumed."""


class Throttled(AwsProblem):
    """Braket says that requests come too fast; `said` is what it says, whatever `message` adds to that."""

    def __init__(self, message: str, **where: Any) -> None:
        super().__init__(message, **where)
        self.said = message


class NotFound(AwsProblem):
    """The record does not exist, or no longer, or not yet; `stamp` is when Braket said so."""

    stamp: Stamp | None = None


class SearchFailed(AwsProblem):
    """A search could not be finished, so nothing may be concluded about its window."""


def status_of(error: boto.ClientError) -> int:
    """The HTTP status of an error response; 0 when the response had none."""
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    return status if isinstance(status, int) else 0


def code_of(error: boto.ClientError) -> str:
    """The error code of an error response, made printable; the HTTP status where AWS gave no code."""
    return safe_text(error.response.get("Error", {}).get("Code") or status_of(error) or "Unknown")


def is_throttle(error: boto.ClientError) -> bool:
    """Whether an error response says that requests come too fast."""
    return status_of(error) == 429 or code_of(error) in THROTTLING_CODES


def is_missing(error: boto.ClientError) -> bool:
    """Whether an error response says that the record does not exist."""
    return status_of(error) == 404 or code_of(error) == "ResourceNotFoundException"


def classify(error: BaseException, *, account: str = "", region: str = "", operation: str = "") -> AwsProblem:
    """The problem that an exception of boto3 or botocore means; an AwsProblem comes back as it is."""
    if isinstance(error, AwsProblem):
        return error
    where: dict[str, Any] = {"account": account, "region": region, "operation": operation}
    if isinstance(error, boto.ClientError):
        return _problem_of_response(error, where)
    return _problem_of_driver(error, where)


def _problem_of_response(error: boto.ClientError, where: dict[str, Any]) -> AwsProblem:
    code, status = code_of(error), status_of(error)
    said = safe_text(error.response.get("Error", {}).get("Message") or f"HTTP status {status}")
    if error.operation_name == "AssumeRole" and where["operation"] != "AssumeRole" and not is_throttle(error):
        return BadConfiguration(f"the role cannot be assumed ({code}: {said})", code=code, **where)
    if code in _EXPIRED_CODES:
        return ExpiredCredentials(
            f"the credentials have expired; log in again ({code}: {said})", code=code, **where
        )
    if code in _CLOCK_CODES:
        hint = "the signature was refused; check this machine's clock and the secret key"
        return AccessDenied(f"{hint} ({code}: {said})", code=code, **where)
    if code in _ACCESS_CODES or status in (401, 403):
        return AccessDenied(f"access refused ({code}: {said})", code=code, **where)
    if is_missing(error):
        return NotFound(f"not found ({code}: {said})", code=code, **where)
    if is_throttle(error):
        return Throttled(f"{code}: {said}", code=code, retryable=True, **where)
    return AwsProblem(f"{code}: {said}", code=code, retryable=status >= 500, **where)


def _problem_of_driver(error: BaseException, where: dict[str, Any]) -> AwsProblem:
    code, said = type(error).__name__, safe_text(error)
    if isinstance(error, boto.SSOError | boto.TokenRetrievalError | boto.UnauthorizedSSOTokenError):
        return ExpiredCredentials(f"the login has expired; run `aws sso login` ({said})", code=code, **where)
    if isinstance(
        error, boto.NoCredentialsError | boto.PartialCredentialsError | boto.CredentialRetrievalError
    ):
        return MissingCredentials(f"no usable AWS credentials ({said})", code=code, **where)
    if isinstance(error, _CONFIGURATION):
        return BadConfiguration(f"the AWS configuration cannot be used ({said})", code=code, **where)
    if isinstance(error, RuntimeError) and "refreshed" in str(error):
        # botocore's own word for credentials that are expired as soon as they are renewed.
        return ExpiredCredentials(f"the credentials have expired ({said})", code=code, **where)
    if isinstance(error, boto.HTTPClientError | boto.ConnectionError | OSError):
        return EndpointUnreachable(
            f"the endpoint cannot be reached ({said})", code=code, retryable=True, **where
        )
    return AwsProblem(f"{code}: {said}", code=code, **where)


_CONFIGURATION = (
    boto.ProfileNotFound,
    boto.ConfigParseError,
    boto.ConfigNotFound,
    boto.InvalidConfigError,
    boto.UnknownCredentialError,
    boto.InvalidRegionError,
    boto.NoRegionError,
    boto.UnknownEndpointError,
)
