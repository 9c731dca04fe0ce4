"""Bytes from where users point: a local path, an http(s) address, or s3:// through an opener that is handed in.

No boto3 here: who has S3 sessions passes `open_s3`.
"""

from __future__ import annotations

import gzip
import http.client
import os
import urllib.error
import urllib.parse
import urllib.request
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from braket_etl.costs.errors import PriceListError

#: AWS's offer file: no credentials needed. BRAKET_PRICE_OFFERS_URL replaces it, as it does in Braket's own SDK.
OFFER_URL = "https://pricing.us-east-1.amazonaws.com/offers/v1.0/aws/AmazonBraket/current/index.csv"
OFFER_URL_VARIABLE = "BRAKET_PRICE_OFFERS_URL"
_TIMEOUT = 60.0
_MOST_BYTES = 256 * 1024 * 1024  # the list is well below one megabyte

OpenS3 = Callable[[str], BinaryIO]


def offer_url() -> str:
    """The address of the price list."""
    return os.environ.get(OFFER_URL_VARIABLE) or OFFER_URL


def shown(source: str) -> str:
    """The source without what an address may hold of credentials: user, password, query, fragment."""
    parts = urllib.parse.urlsplit(source)
    if parts.scheme not in ("http", "https"):
        return source
    host = parts.hostname or ""
    port = f":{parts.port}" if parts.port else ""
    return urllib.parse.urlunsplit((parts.scheme, host + port, parts.path, "", ""))


def linked_source(source: str, link: str) -> str:
    """Where the price list lies that an index names, `link` being the path that AWS writes there.

    Of an address, on the same host; in a folder or bucket below the folder that holds AWS's `offers`, else beside the
    index in the last two folders of the link. Raises PriceListError for a link that leads anywhere else.
    """
    parts = link.split("/")
    if not link.startswith("/") or link.startswith("//") or {"..", "."} & set(parts) or "\\" in link:
        raise PriceListError(
            f"{shown(source)} is an index that names {link!r:.120}, which is no path of price lists"
        )
    url = urllib.parse.urlsplit(source)
    if url.scheme in ("http", "https"):
        return urllib.parse.urlunsplit(
            (url.scheme, url.netloc, urllib.parse.quote(link, safe="/%"), url.query, "")
        )
    root, offers, _ = source.rpartition("/offers/")
    return root + link if offers else "/".join([source.rpartition("/")[0] or ".", *parts[-2:]])


def read_price_file(source: str, *, open_s3: OpenS3 | None = None) -> bytes:
    """The bytes of a price list; raises PriceListError where they cannot be had whole."""
    try:
        content = _read(source, open_s3)
        if content.startswith(b"\x1f\x8b"):
            content = _unzipped(content)
    except urllib.error.HTTPError as error:
        raise PriceListError(f"{shown(source)} answered {error.code} {error.reason}") from None
    except (OSError, http.client.HTTPException, ValueError, EOFError, zlib.error) as error:
        raise PriceListError(f"{shown(source)} cannot be read: {_reason(error)}") from None
    if len(content) > _MOST_BYTES:
        raise PriceListError(
            f"{shown(source)} is larger than any price list: {_MOST_BYTES >> 20} MB are the limit"
        )
    return content


def _read(source: str, open_s3: OpenS3 | None) -> bytes:
    scheme = urllib.parse.urlsplit(source).scheme
    if scheme in ("http", "https"):
        with urllib.request.urlopen(source, timeout=_TIMEOUT) as answer:  # noqa: S310 - http and https only
            content = bytes(answer.read(_MOST_BYTES + 1))
            # A bounded read of an answer that is cut off says nothing: what is missing of its length does.
            if answer.length and len(content) <= _MOST_BYTES:
                raise http.client.IncompleteRead(content, answer.length)
            return content
    if scheme == "s3":
        if open_s3 is None:
            raise ValueError("no access to S3 here")
        with open_s3(source) as stream:
            return stream.read(_MOST_BYTES + 1)
    with Path(source.removeprefix("file://")).expanduser().open("rb") as stream:
        return stream.read(_MOST_BYTES + 1)


def _unzipped(content: bytes) -> bytes:
    unzip = zlib.decompressobj(wbits=31)
    plain = unzip.decompress(content, _MOST_BYTES + 1)
    if not unzip.eof and len(plain) <= _MOST_BYTES:
        raise gzip.BadGzipFile("the compressed file is cut off")
    return plain


def _reason(error: BaseException) -> str:
    if isinstance(error, urllib.error.URLError):
        return str(error.reason)
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__
