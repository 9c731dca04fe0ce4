"""What another S3 client, DuckDB's, needs to know to reach a bucket as boto3 would."""

from __future__ import annotations

from urllib.parse import urlsplit

import boto3
import botocore.exceptions as boto

from braket_etl.aws.errors import MissingCredentials


def s3_login(address: str) -> dict[str, str]:
    """Key, secret, token, Region and endpoint for `s3://bucket/…`, by the names of DuckDB's parameters.

    The ambient credentials, as boto3 finds them. Raises MissingCredentials.
    """
    session = boto3.Session()
    credentials = session.get_credentials()
    if credentials is None:
        raise MissingCredentials(f"no AWS credentials were found, which {address} needs")
    key = credentials.get_frozen_credentials()
    client = session.client("s3", region_name=session.region_name or "us-east-1")
    login = {"KEY_ID": key.access_key, "SECRET": key.secret_key, "SESSION_TOKEN": key.token or ""}
    try:
        place = client.head_bucket(Bucket=urlsplit(address).netloc).get("BucketRegion")
    except (boto.ClientError, boto.BotoCoreError):  # it may be read and written all the same
        place = None
    login["REGION"] = place or client.meta.region_name
    endpoint = urlsplit(client.meta.endpoint_url)
    if not str(endpoint.hostname).endswith((".amazonaws.com", ".amazonaws.com.cn")):
        # a store of one's own; such do not know their buckets as host names
        login |= {"ENDPOINT": endpoint.netloc, "URL_STYLE": "path"}
        login |= {"USE_SSL": str(endpoint.scheme == "https").lower()}
    return {name: value for name, value in login.items() if value}
