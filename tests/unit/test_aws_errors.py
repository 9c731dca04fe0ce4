"""What a user is told when AWS says no."""

from __future__ import annotations

import pytest
from botocore import exceptions as boto

from braket_etl.aws import errors
from braket_etl.aws.errors import AwsProblem, classify


def answer(code: str, status: int, message: str = "said", operation: str = "GetJob") -> boto.ClientError:
    response = {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return boto.ClientError(response, operation)


@pytest.mark.parametrize(
    ("error", "kind", "retryable"),
    [
        (answer("AccessDeniedException", 403), errors.AccessDenied, False),
        (answer("403", 403), errors.AccessDenied, False),
        (answer("UnrecognizedClientException", 400), errors.AccessDenied, False),
        (answer("InvalidSignatureException", 403), errors.AccessDenied, False),
        (answer("ExpiredTokenException", 403), errors.ExpiredCredentials, False),
        (answer("ResourceNotFoundException", 404), errors.NotFound, False),
        (answer("ThrottlingException", 429), errors.Throttled, True),
        (answer("InternalServiceException", 500), AwsProblem, True),
        (answer("ValidationException", 400), AwsProblem, False),
        (answer("AccessDenied", 403, operation="AssumeRole"), errors.BadConfiguration, False),
        (boto.NoCredentialsError(), errors.MissingCredentials, False),
        (boto.PartialCredentialsError(provider="env", cred_var="x"), errors.MissingCredentials, False),
        (boto.CredentialRetrievalError(provider="p", error_msg="m"), errors.MissingCredentials, False),
        (boto.SSOTokenLoadError(error_msg="m"), errors.ExpiredCredentials, False),
        (boto.TokenRetrievalError(provider="sso", error_msg="m"), errors.ExpiredCredentials, False),
        (boto.ProfileNotFound(profile="lab"), errors.BadConfiguration, False),
        (boto.NoRegionError(), errors.BadConfiguration, False),
        (boto.InvalidRegionError(region_name="a b"), errors.BadConfiguration, False),
        (boto.EndpointConnectionError(endpoint_url="http://x"), errors.EndpointUnreachable, True),
        (boto.ConnectTimeoutError(endpoint_url="http://x"), errors.EndpointUnreachable, True),
        (boto.ReadTimeoutError(endpoint_url="http://x"), errors.EndpointUnreachable, True),
        (boto.SSLError(endpoint_url="http://x", error="e"), errors.EndpointUnreachable, True),
        (
            RuntimeError("Credentials were refreshed, but are still expired."),
            errors.ExpiredCredentials,
            False,
        ),
        (UnicodeEncodeError("utf-8", "\ud800", 0, 1, "surrogates"), AwsProblem, False),
    ],
    ids=lambda value: getattr(value, "__name__", None) or str(value)[:60],
)
def test_each_failure_has_one_meaning(error: Exception, kind: type[AwsProblem], retryable: bool) -> None:
    problem = classify(error, account="lab", region="us-east-1", operation="GetJob")
    assert type(problem) is kind
    assert problem.retryable is retryable
    assert str(problem).startswith("lab/us-east-1 GetJob: ")
    assert "\n" not in str(problem)


def test_a_problem_is_not_classified_twice() -> None:
    problem = errors.SearchFailed("x")
    assert classify(problem, account="other") is problem


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("key AKIAIOSFODNN7EXAMPLE is unknown", "AKIAIOSFODNN7EXAMPLE"),
        ("proxy http://me:hunter2@proxy:80 refused", "hunter2"),
        ("GET /?X-Amz-Signature=deadbeef&x=1", "deadbeef"),
        ("Credential=ASIA1234/2026, SignedHeaders", "ASIA1234"),
    ],
)
def test_no_credential_is_shown(text: str, secret: str) -> None:
    assert secret in text
    assert secret not in str(classify(answer("Odd", 400, text)))
