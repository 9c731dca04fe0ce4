"""The S3 side of the emulator: buckets with the results of its tasks, to be read and listed.

A minimum of S3's protocol, path-style and read-only: GetObject, HeadObject and ListObjectsV2 below `/s3/`.
A bucket belongs to one account and refuses all others. The files are made when they are read, from the task.
S3 keeps results for longer than Braket keeps tasks: what the API has forgotten is still here.
"""

from __future__ import annotations

import base64
from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from hashlib import blake2s, md5
from itertools import islice
from urllib.parse import parse_qs, quote, unquote
from xml.sax.saxutils import escape

from starlette.types import Receive, Scope, Send

from braket_emulator.callers import Callers
from braket_emulator.instants import http_date, iso
from braket_emulator.records import Task
from braket_emulator.result_files import FILE_NAME, file_content, file_names, has_results
from braket_emulator.service_model import ApiError
from braket_emulator.world import World

PATH = b"/s3/"
_LARGEST_PAGE = 1_000
_STATUS = {
    "NoSuchBucket": 404,
    "NoSuchKey": 404,
    "AccessDenied": 403,
    "MethodNotAllowed": 405,
    "InvalidArgument": 400,
}
_NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"


class S3Error(Exception):
    """An error answer of S3: its code and its message."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


@dataclass(slots=True)
class Bucket:
    """The results that lie, or will lie, in one bucket, by the key of each task's results.json."""

    account: str
    tasks: dict[str, Task] = field(default_factory=dict)
    keys: list[str] = field(default_factory=list)

    def file(self, key: str, now: int) -> tuple[Task, bytes] | None:
        """The task whose file this is, and what is in it, if it is there by now."""
        folder = key
        while folder:
            folder, _, _ = folder.rpartition("/")
            task = self.tasks.get(f"{folder}/{FILE_NAME}")
            if task is not None and _is_there(task, now):
                with suppress(KeyError):
                    return task, file_content(task, key.removeprefix(f"{folder}/"))
        return None

    def files(self, prefix: str, after: str, now: int) -> Iterator[tuple[str, Task, bytes]]:
        """The files whose keys begin with `prefix` and come after `after`, in order."""
        # no other file of a folder comes after its results.json
        first = max(bisect_left(self.keys, prefix), bisect_right(self.keys, after) if after else 0)
        for place in range(first, len(self.keys)):
            task = self.tasks[self.keys[place]]
            keys = [f"{task.directory}/{name}" for name in file_names(task)]
            if not any(key.startswith(prefix) for key in keys):
                return
            if _is_there(task, now):
                for key in keys:
                    if key.startswith(prefix) and key > after:
                        yield key, task, file_content(task, key.removeprefix(f"{task.directory}/"))


def _is_there(task: Task, now: int) -> bool:
    return task.ended <= now and has_results(task)


@dataclass(slots=True)
class _Answer:
    status: int
    body: bytes
    content_type: str = "application/xml"
    more: dict[str, str] = field(default_factory=dict)


class Storage:
    """The buckets of a world; an ASGI application."""

    def __init__(
        self,
        world: World,
        callers: Callers,
        now: Callable[[], int],
        refuses: Callable[[str], bool],
        count: Callable[[str], None],
    ) -> None:
        self._world = world
        self._callers = callers
        self._now = now
        self._refuses = refuses
        self._count = count
        self._buckets: dict[str, Bucket] | None = None

    def add(self, task: Task) -> None:
        """Know of a task that was created after the buckets were filled."""
        if self._buckets is not None:
            key = _put(self._buckets, task)
            insort(self._buckets[task.output_bucket].keys, key)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one HTTP request."""
        while (await receive()).get("more_body"):
            pass
        now = self._now()
        try:
            answer = self._answer(scope, now)
        except S3Error as error:
            answer = _Answer(_STATUS[error.code], _error_xml(error))
        headers = {
            "date": http_date(now),
            "content-type": answer.content_type,
            "content-length": str(len(answer.body)),
            "x-amz-request-id": blake2s(scope["raw_path"] + answer.body, digest_size=8).hexdigest().upper(),
            **answer.more,
        }
        encoded = [(name.encode(), value.encode()) for name, value in headers.items()]
        await send({"type": "http.response.start", "status": answer.status, "headers": encoded})
        body = b"" if scope["method"] == "HEAD" else answer.body
        await send({"type": "http.response.body", "body": body})

    def _answer(self, scope: Scope, now: int) -> _Answer:
        raw_path: bytes = scope["raw_path"]
        path = raw_path.removeprefix(PATH).decode("latin-1")
        name, _, key = (unquote(part) for part in path.partition("/"))
        operation = _operation(scope["method"], key)
        self._count(operation)
        bucket = self._bucket(name, dict(scope["headers"]).get(b"authorization"))
        if operation == "ListObjectsV2":
            query = parse_qs(scope["query_string"].decode("latin-1"), keep_blank_values=True)
            return _listing(name, bucket, {key: values[0] for key, values in query.items()}, now)
        found = bucket.file(key, now)
        if found is None:
            raise S3Error("NoSuchKey", "The specified key does not exist.")
        task, body = found
        about = {"etag": f'"{_etag(body)}"', "last-modified": http_date(task.ended), "accept-ranges": "bytes"}
        return _Answer(200, body, "application/json", about)

    def _bucket(self, name: str, authorization: bytes | None) -> Bucket:
        """The bucket of this name, if the caller may read it."""
        try:
            account = self._callers.caller(authorization, "s3").account
        except ApiError as error:
            raise S3Error("AccessDenied", error.message) from None
        if self._buckets is None:
            self._buckets = _filled(self._world)
        bucket = self._buckets.get(name)
        if bucket is None:
            raise S3Error("NoSuchBucket", "The specified bucket does not exist")
        if bucket.account != account or self._refuses(name):
            raise S3Error("AccessDenied", "Access Denied")
        return bucket


def _operation(method: str, key: str) -> str:
    operation = {
        ("GET", True): "GetObject",
        ("HEAD", True): "HeadObject",
        ("GET", False): "ListObjectsV2",
    }.get((method, bool(key)))
    if operation is None:
        raise S3Error("MethodNotAllowed", "The specified method is not allowed against this resource.")
    return operation


def _filled(world: World) -> dict[str, Bucket]:
    buckets: dict[str, Bucket] = {}
    for task in world.tasks.values():
        _put(buckets, task)
    for bucket in buckets.values():
        bucket.keys = sorted(bucket.tasks)
    return buckets


def _put(buckets: dict[str, Bucket], task: Task) -> str:
    """Put a task's file into its bucket, but for the order of keys; its key."""
    key = f"{task.directory}/{FILE_NAME}"
    buckets.setdefault(task.output_bucket, Bucket(task.account)).tasks[key] = task
    return key


def _listing(name: str, bucket: Bucket, query: Mapping[str, str], now: int) -> _Answer:
    """A page of ListObjectsV2; a page token is the last key told."""
    prefix = query.get("prefix", "")
    try:
        token = query.get("continuation-token")
        after = query.get("start-after", "") if token is None else _key_in(token)
        size = min(max(0, int(query.get("max-keys") or _LARGEST_PAGE)), _LARGEST_PAGE)
    except ValueError:
        raise S3Error("InvalidArgument", "The page token or the size of the page is incorrect") from None
    written = quote if query.get("encoding-type") == "url" else escape
    found = list(islice(bucket.files(prefix, after, now), size + 1))
    page = found[:size]
    entries = [_entry(written(key), task, body) for key, task, body in page]
    last = page[-1][0] if page and len(found) > size else ""
    return _Answer(200, _page_xml(name, written(prefix), entries, last, query, size))


def _entry(key: str, task: Task, body: bytes) -> str:
    return (
        f"<Contents><Key>{key}</Key><LastModified>{iso(task.ended)}</LastModified>"
        f"<ETag>&quot;{_etag(body)}&quot;</ETag><Size>{len(body)}</Size>"
        "<StorageClass>STANDARD</StorageClass></Contents>"
    )


def _page_xml(
    name: str, prefix: str, entries: list[str], last: str, query: Mapping[str, str], size: int
) -> bytes:
    token = f"<NextContinuationToken>{_token(last)}</NextContinuationToken>" if last else ""
    encoding = "<EncodingType>url</EncodingType>" if query.get("encoding-type") == "url" else ""
    text = (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<ListBucketResult xmlns="{_NAMESPACE}"><Name>{escape(name)}</Name><Prefix>{prefix}</Prefix>'
        f"<KeyCount>{len(entries)}</KeyCount><MaxKeys>{size}</MaxKeys>{encoding}"
        f"<IsTruncated>{'true' if last else 'false'}</IsTruncated>{token}{''.join(entries)}</ListBucketResult>"
    )
    return text.encode()


def _token(key: str) -> str:
    return base64.urlsafe_b64encode(key.encode()).decode()


def _key_in(token: str) -> str:
    return base64.b64decode(token, altchars=b"-_", validate=True).decode()


def _etag(body: bytes) -> str:
    return md5(body, usedforsecurity=False).hexdigest()


def _error_xml(error: S3Error) -> bytes:
    text = (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f"<Error><Code>{error.code}</Code><Message>{escape(error.message)}</Message></Error>"
    )
    return text.encode()
