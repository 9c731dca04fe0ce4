"""Finds results files in a bucket or folder, in an order in which a walk can be gone on with."""

from __future__ import annotations

import errno
import posixpath
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, cast

from botocore import exceptions as boto

from braket_etl.aws.errors import BadConfiguration, classify
from braket_etl.aws.results import RESULTS_FILE, Beside
from braket_etl.aws.sessions import ambient_s3

_NAMES = {RESULTS_FILE, f"{RESULTS_FILE}.gz"}


@dataclass(frozen=True, slots=True)
class Found:
    """A results file: its name and how to open it, or what lies beside it. What is opened must be closed."""

    name: str
    opened: Callable[[], BinaryIO]
    beside: Beside


def walk(path: str, *, client: Any = None, start_after: str = "") -> Iterator[Found]:
    """The files named results.json, or results.json.gz, under `s3://bucket/prefix` or a local folder.

    Where the path is one file, that file, whatever its name. They come in a fixed order; `start_after` is a name given
    before, to go on from there. `client` is an S3 client (None: the ambient account's).
    Raises BadConfiguration for a folder that does not exist, other AwsProblem for what S3 refuses.
    """
    if path.startswith("s3://"):
        bucket, _, prefix = path.removeprefix("s3://").partition("/")
        s3 = client if client is not None else ambient_s3()
        return _walk_bucket(s3, bucket, prefix, start_after.removeprefix(f"s3://{bucket}/"))
    root = Path(path)
    if not root.exists():
        raise BadConfiguration(f"there is no file or folder {path}")
    after = Path(start_after).parts if start_after else ()
    if root.is_dir():
        return _walk_folder(root, after)
    return iter([_on_disk(root)] if root.parts > after else [])


def _walk_bucket(client: Any, bucket: str, prefix: str, start_after: str) -> Iterator[Found]:
    pages = client.get_paginator("list_objects_v2").paginate(
        Bucket=bucket, Prefix=prefix, StartAfter=start_after
    )

    def opened(key: str) -> BinaryIO:
        try:
            return cast("BinaryIO", client.get_object(Bucket=bucket, Key=key)["Body"])
        except (boto.ClientError, boto.BotoCoreError) as error:
            raise classify(error, region=client.meta.region_name, operation="GetObject") from error

    def beside(directory: str, name: str) -> BinaryIO:
        return opened(posixpath.join(directory, name))

    try:
        for page in pages:
            for entry in page.get("Contents", ()):
                key: str = entry["Key"]
                directory, _, name = key.rpartition("/")
                if key == prefix or name in _NAMES:
                    yield Found(f"s3://{bucket}/{key}", partial(opened, key), partial(beside, directory))
    except (boto.ClientError, boto.BotoCoreError) as error:
        raise classify(error, region=client.meta.region_name, operation="ListObjectsV2") from error


def _walk_folder(path: Path, after: tuple[str, ...]) -> Iterator[Found]:
    # Entries by name, folders among the files, so that the order is that of the names' parts.
    for entry in sorted(path.iterdir(), key=lambda item: item.name):
        if entry.is_dir() and not entry.is_symlink():  # a link may lead round in a circle
            yield from _walk_folder(entry, after)
        elif entry.name in _NAMES and entry.is_file() and entry.parts > after:
            yield _on_disk(entry)


def _on_disk(file: Path) -> Found:
    def beside(name: str) -> BinaryIO:
        path = file.parent / name
        if path.exists() and not path.is_file():
            raise FileNotFoundError(errno.ENOENT, "no file")  # a pipe would be waited for
        return path.open("rb")

    return Found(str(file), lambda: file.open("rb"), beside)
