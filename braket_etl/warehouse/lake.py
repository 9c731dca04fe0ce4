"""A DuckLake as the warehouse: Parquet files, and a catalog in PostgreSQL (or in a file, for one program at a time).

It is written to and read like the file, through `writing` and `reading`, and has no published copy: readers see the state
that was published last (see `catalog`). It has no unique constraint either, and two writers that insert the same record do
not conflict, so merges of all machines take turns through an advisory lock of the catalog's database.
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

import duckdb

from braket_etl import holdups, stopping
from braket_etl.private_files import private_folder
from braket_etl.tables.declaration import quoted
from braket_etl.warehouse.catalog import Known, Marks, State, state_of
from braket_etl.warehouse.connection import (
    BLOAT,
    LEAST_BYTES,
    Warehouse,
    configured,
    first_line,
    replaced_atomically,
    row_counts,
)
from braket_etl.warehouse.door import let_through
from braket_etl.warehouse.errors import (
    ConflictError,
    DamagedError,
    LakeError,
    LockHeldError,
    NotEmptyError,
    NotPublishedError,
    WarehouseError,
)
from braket_etl.warehouse.extensions import packaged_extension
from braket_etl.warehouse.lock import Holder, folder_locked, holder_of, waited
from braket_etl.warehouse.migrate import migrate
from braket_etl.warehouse.outcomes import Compaction, HeldBack, Restored
from braket_etl.warehouse.restore import filled
from braket_etl.warehouse.statements import Connection, stoppable
from braket_etl.warehouse.storage import explained, read_through

if TYPE_CHECKING:
    import psycopg

T = TypeVar("T")
#: The name under which connections of ours know the lake, and that of its schema's tables needs no prefix.
NAME = "lake"
#: States of the lake that can be gone back to.
KEEP_DAYS = 7
INSTALL = "pip install 'braket-etl[lake]'"
#: The advisory lock that writers take turns with: `brkt` and `etl` in ASCII.
_LOCK = (0x62726B74, 0x0065746C)
_SERVER = "postgres:"
_PASSWORD = re.compile(r"(password\s*=\s*)('(?:[^'\\]|\\.)*'|[^\s&]+)", re.IGNORECASE)
_PASSWORD_IN_ADDRESS = re.compile(r"(://[^:/@\s]*):[^@\s]*@")
#: A machine that lost its power holds the lock until PostgreSQL misses it: a minute, not the system's two hours.
_KEEPALIVES = "-c tcp_keepalives_idle=30 -c tcp_keepalives_interval=10 -c tcp_keepalives_count=3"
_FOR_S3 = "httpfs"
#: What DuckDB says of a Parquet file that is not there, or not what was written.
_OF_A_FILE = (".parquet", "Parquet", "TProtocolException")
_BRING_BACK = "The files of a lake are never changed: a copy of a missing one brings it back. `braket-etl doctor` tells."
_A_LOOK = 0.05  # seconds between two looks at a catalog file that another program has open


@dataclass(frozen=True, kw_only=True)
class Lake(Warehouse):
    """A DuckLake; `folder` holds the lock of a catalog that is a file, `published` is not used."""

    stored_in: ClassVar[str] = "lake's files"
    remedy: ClassVar[str] = "a copy of the file brings it back: see the DuckLake section of docs/scale-out.md"

    catalog: str
    """`postgres:` and what libpq takes, or the path of a file."""
    data: str | None = None
    """Where the Parquet files of a new lake go; the default lies in the home. An existing one knows it."""
    s3_login: Callable[[str], Mapping[str, str]] | None = None
    """What DuckDB needs to know to reach the S3 of an s3:// address, as parameters of its secret."""
    _files: list[str] = field(default_factory=list, compare=False, repr=False)
    """Where the files lie, once the catalog told it; that never changes."""

    @property
    def place(self) -> str:
        """The catalog, without a password."""
        return f"ducklake:{shown(self.catalog)}"

    @property
    def writes_to(self) -> str:
        """The catalog, which is read and written."""
        return self.place

    @property
    def is_published(self) -> bool:
        """Whether readers see something; False also where the catalog cannot be reached."""
        try:
            return self._state().shown is not None
        except WarehouseError:
            return False

    @property
    def size(self) -> int:
        """Bytes of the Parquet files that hold the tables now; raises NotPublishedError and LakeError."""
        return self.files()[1]

    @property
    def published_at(self) -> datetime | None:
        """Not known: the catalog notes which state readers see, not since when."""
        return None

    @property
    def reads_outside(self) -> tuple[str, ...]:
        """Where its Parquet files lie; known to whoever is in `reading`."""
        return tuple(self._files)

    @property
    def copied_bytes(self) -> int | None:
        """None: a lake is read where it is written."""
        return None

    def files(self) -> tuple[int, int]:
        """How many files hold the tables now, and their bytes; raises NotPublishedError and LakeError."""
        with self.reading() as connection:
            return _files_and_bytes(connection)

    @property
    def is_missing(self) -> bool:
        """Whether nothing was ever stored; raises LakeError, also where a home knows better."""
        return not self._state().newest

    @contextmanager
    def writing(self, purpose: str) -> Iterator[Connection]:
        """A connection whose current database is the lake, when it is our turn to write.

        Raises LockHeldError, LakeError, ConflictError, NewerWarehouseError and NoSpaceError.
        """
        with self.locked(purpose), self._told(), _engine() as connection, _private_files():
            state = self._state()
            if state.lake is None:
                self._check_new(connection)
            with self._attached(connection, self._creation(state)), stoppable(connection):
                if not state.is_marked:
                    Marks(connection, NAME).begin(state.shown)
                migrate(connection)
                yield connection
                self._remember(Marks(connection, NAME))

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A read-only connection to the lake as it was published last, whatever is written meanwhile.

        Raises NotPublishedError and LakeError.
        """
        shown = self._state().shown
        if shown is None:
            raise NotPublishedError(f"there is no warehouse in {self.place} yet: run `braket-etl sync`")
        options = f"READ_ONLY, SNAPSHOT_VERSION {shown}"
        with (
            self._told(),
            _engine() as connection,
            self._attached(connection, options),
            stoppable(connection),
        ):
            yield connection

    def compact(self, *, bloat: float = BLOAT, least_bytes: int = LEAST_BYTES) -> Compaction:
        """Join the small files that merges leave, always, and forget states and files of more than `KEEP_DAYS` days ago.

        The state that readers see stays, however old; a reader goes on with the one that it began with, for a day at least.
        Raises WarehouseError.
        """
        with self.writing("joining files") as connection:
            marks = Marks(connection, NAME)
            many, before = _files_and_bytes(connection)
            connection.execute(f"CALL ducklake_merge_adjacent_files('{NAME}')")
            connection.execute(f"CALL ducklake_rewrite_data_files('{NAME}')")
            old = connection.execute(
                f"SELECT snapshot_id FROM ducklake_snapshots('{NAME}') "
                f"WHERE snapshot_time < now() - INTERVAL {KEEP_DAYS} DAY AND snapshot_id NOT IN (?, ?)",
                [marks.newest, -1 if (shown := marks.published) is None else shown],
            ).fetchall()
            if old:
                connection.execute(
                    f"CALL ducklake_expire_snapshots('{NAME}', versions => {[version for (version,) in old]})"
                )
            connection.execute(
                f"CALL ducklake_cleanup_old_files('{NAME}', older_than => now() - INTERVAL 1 DAY)"
            )
            few, after = _files_and_bytes(connection)
            return Compaction(before, 0, after, (many, few))

    def show(self, connection: Connection, group: str | None) -> dict[str, int]:
        """Let readers see the state that this connection of `writing` sees; a group may read its files.

        Nothing is copied: a lake is read where it is written.

        Raises LakeError where a file of it is missing: of those in a folder any, of those on S3 any that is new.
        """
        marks = Marks(connection, NAME)
        now, before = marks.newest, marks.published
        since = before if before is not None and self._are_on_s3 else -1
        files = list(marks.files(self._files[0], now, since=since))
        if gone := self._gone(connection, files):
            raise LakeError(
                f"{_said_gone(gone, len(files))}. Readers go on with what they saw before. {_BRING_BACK}"
            )
        if group and not self._are_on_s3:
            _let_in(group, self._files[0], [address for address, _ in files])
        marks.publish(now)
        return row_counts(connection)

    def differences(self, connection: Connection) -> Mapping[str, tuple[int, int]]:
        """None: readers see the state that was written."""
        return {}

    def damage(self) -> str | None:
        """What is wrong with the files that readers are shown, in words; None where they are sound.

        Each file must be there, as long as the catalog has it; what lies in a folder is read through. Raises LakeError.
        """
        if self.is_missing:
            return None
        shown = self._state().shown or 0
        with self.reading() as connection:
            files = list(Marks(connection, NAME).files(self._files[0], shown))
            if gone := self._gone(connection, files):
                return _said_gone(gone, len(files))
            if not self._are_on_s3:
                try:
                    read_through(connection)
                except duckdb.Error as error:
                    return first_line(error)
        return None

    def unfit(self) -> HeldBack | None:
        """None: what holds a lake back is noted in its catalog."""
        return None

    def restore(self, source: Path, *, force: bool = False) -> Restored:
        """Fill a lake that is empty with what `source` holds, and let readers see it; raises WarehouseError."""
        with self.writing("restoring") as connection:
            try:
                rows, as_of = filled(connection, source)
            except NotEmptyError:
                raise WarehouseError(
                    f"{self.place} holds records already: nothing was changed. A lake is filled only while it is empty; it "
                    f"keeps its states of the last {KEEP_DAYS} days, which docs/scale-out.md says how to go back to."
                ) from None
            let_through(self, connection)
            self.show(connection, None)
        return Restored(rows, as_of, None)

    def note_fewer(self, connection: Connection) -> None:
        """Nothing to note: a lake's files are counted by its catalog."""

    def held_back_note(self, connection: Connection | None = None) -> str | None:
        """What `keep_held_back_note` kept, if anything; through a connection of `writing` where there is one."""
        if connection is not None:
            return Marks(connection, NAME).held_back
        return self._state().held_back

    def keep_held_back_note(self, connection: Connection, note: str | None) -> None:
        """Keep in the catalog, for readers on all machines, what holds publishing back."""
        Marks(connection, NAME).hold_back(note)

    def check(self) -> None:
        """Raise WarehouseError where the catalog cannot be reached, or its extensions are missing."""
        self._state()
        with _engine():
            pass

    @contextmanager
    def locked(self, purpose: str | None) -> Iterator[None]:
        """Our turn to write; raises LockHeldError and LakeError."""
        if not self.is_on_server:
            with folder_locked(self.folder, self.lock_timeout, purpose):
                yield
            return
        from psycopg.errors import LockNotAvailable

        patience = stopping.patience(self.lock_timeout)
        with self._server(f"-c lock_timeout={max(1, round(patience * 1000))}") as server:
            try:
                with holdups.held_up(
                    holdups.By.LOCK, lambda: "waiting for another process to finish writing"
                ):
                    server.execute("SELECT pg_advisory_lock(%s, %s)", _LOCK)
            except LockNotAvailable:
                raise LockHeldError(
                    f"{waited(patience)} for {_holder(server) or 'another process'} to finish writing"
                ) from None
            name = f"{purpose or 'looking'}|{os.getpid()}|{socket.gethostname()}"
            server.execute("SELECT set_config('application_name', %s, false)", [name])
            yield

    def holder(self) -> Holder | None:
        """Who writes now, or was killed while it did; None where nobody does. Raises WarehouseError."""
        if not self.is_on_server:
            return holder_of(self.folder)
        with self._server() as server:
            return _holder(server)

    @property
    def is_on_server(self) -> bool:
        """Whether the catalog is in PostgreSQL, so that several machines can use it."""
        return self.catalog.startswith(_SERVER)

    @cached_property
    def _login(self) -> dict[str, Any]:
        """What libpq is told, by name."""
        try:
            from psycopg import ProgrammingError
            from psycopg.conninfo import conninfo_to_dict
        except ImportError:
            raise LakeError(f"a DuckLake needs more packages: {INSTALL}") from None
        try:
            return conninfo_to_dict(self.catalog.removeprefix(_SERVER))
        except ProgrammingError:  # its text may hold the password
            raise LakeError(
                "BRAKET_ETL_WAREHOUSE: what follows ducklake:postgres: is nothing that libpq takes; write it as "
                "dbname=… host=… user=…"
            ) from None

    @contextmanager
    def _server(self, options: str = "") -> Iterator[psycopg.Connection[Any]]:
        login = {"connect_timeout": 10, "application_name": "braket-etl", **self._login}
        login["options"] = " ".join((login.get("options", ""), _KEEPALIVES, options)).strip()
        import psycopg

        try:
            server = psycopg.connect(autocommit=True, **login)
        except psycopg.Error as error:
            raise LakeError(self._unreachable(error)) from None
        try:
            yield server
        except psycopg.Error as error:  # it went away, or may not be asked
            raise LakeError(self._unreachable(error)) from None
        finally:
            server.close()

    def _unreachable(self, error: Exception) -> str:
        what = " ".join(shown(str(error)).split())
        return (
            f"the catalog {self.place} cannot be used: {what}. Check BRAKET_ETL_WAREHOUSE, the server and the password "
            "(libpq also takes PGPASSWORD and ~/.pgpass)."
        )

    def _state(self) -> State:
        """What the catalog holds; raises LakeError, also where this home knows that it held something else."""
        known = Known.kept_in(
            self._memory
        )  # first: a lake only grows, so what is looked at later is not older
        state = self._state_on_server() if self.is_on_server else self._state_in_file()
        if known and known.catalog == self.place and (difference := known.difference(state)):
            raise LakeError(
                f"the catalog {self.place} {difference}, but this home has stored records there. Nothing was changed: "
                f"bring back the catalog's newest backup. To go on without what is lost, delete {self._memory}"
                + (" and name another BRAKET_ETL_WAREHOUSE_DATA." if state.lake is None else ".")
            )
        return state

    def _state_on_server(self) -> State:
        with self._server() as server:
            return state_of(lambda query: server.execute(query.encode()).fetchall())

    def _state_in_file(self) -> State:
        if not Path(self.catalog).exists():
            return State()
        try:
            with self._when_free(lambda: duckdb.connect(self.catalog, read_only=True)) as catalog:
                return state_of(lambda query: catalog.execute(query).fetchall())
        except duckdb.Error as error:
            raise LakeError(
                f"the catalog {self.place} cannot be read: {first_line(error)}. Nothing was changed: bring back its newest "
                "backup."
            ) from None

    def _remember(self, marks: Marks) -> None:
        """Keep in this home what the catalog held last, as far as it is new."""
        now = Known(self.place, marks.lake, marks.newest)
        if Known.kept_in(self._memory) != now:
            private_folder(self.folder)
            replaced_atomically(self._memory, str(now))

    @property
    def _memory(self) -> Path:
        return self.folder / "lake.json"

    @property
    def _data(self) -> str:
        """Where the files of a new lake go."""
        return (self.data or str(self.folder.with_name("lake"))).rstrip("/") + "/"

    @property
    def _are_on_s3(self) -> bool:
        return self._files[0].startswith("s3://")

    def _check_new(self, connection: Connection) -> None:
        """Raise LakeError where files of a lake lie already where those of a new one would go."""
        place = self._data
        if place.startswith("s3://"):
            self._login_to_files(connection, place)
            files: Iterable[Any] = ()
            with suppress(duckdb.Error):  # who may not list may still write
                files = connection.execute(f"FROM glob({quoted(place + '**/*.parquet')}) LIMIT 1").fetchall()
        else:
            files = Path(place).rglob("*.parquet")
        if any(True for _ in files):
            raise LakeError(
                f"{place} holds the files of a lake, but the catalog {self.place} holds none: it was lost, or is another. "
                "Nothing was changed: bring the catalog back from its backup, or check BRAKET_ETL_WAREHOUSE. A new lake "
                "needs another BRAKET_ETL_WAREHOUSE_DATA."
            )

    def _gone(self, connection: Connection, files: Sequence[tuple[str, int]]) -> list[str]:
        """Those of the files that are missing, or not as long as the catalog has them."""
        if not self._are_on_s3:
            return [address for address, size in files if _size_of(Path(address)) != size]
        gone = []
        for address, size in files:
            try:
                found = connection.execute(f"SELECT size FROM read_blob({quoted(address)})").fetchall()
            except duckdb.Error as error:
                if "404" not in str(error) and "No files found" not in str(error):
                    raise
                found = []
            if found != [(size,)]:
                gone.append(address)
        return gone

    def _creation(self, state: State) -> str:
        """The option that says where the files go: of a new lake always, of an existing one what was set, to compare."""
        if self._files or (self.data is None and state.lake is not None):
            return ""
        try:
            if self.data is None:
                private_folder(Path(self._data))
            if not self.is_on_server:
                private_folder(Path(self.catalog).parent)
        except OSError as error:
            raise LakeError(f"cannot make {error.filename}: {error.strerror}") from None
        return f"DATA_PATH {quoted(self._data)}"

    @contextmanager
    def _attached(self, connection: Connection, options: str) -> Iterator[None]:
        """The lake as the connection's current database."""
        # Small batches stay files too: kept in the catalog, values of maps would go through text.
        given = [options, "DATA_INLINING_ROW_LIMIT 0"]
        catalog = self.catalog
        if self.is_on_server:
            from psycopg.conninfo import make_conninfo

            login = dict(self._login)
            if password := login.pop("password", None):  # duckdb_databases() shows what is attached
                connection.execute(
                    f"CREATE OR REPLACE SECRET {NAME}_catalog (TYPE postgres, PASSWORD {quoted(password)})"
                )
                given.append(f"META_SECRET '{NAME}_catalog'")
            catalog = _SERVER + make_conninfo(**login)
        statement = f"ATTACH {quoted('ducklake:' + catalog)} AS {NAME} ({', '.join(filter(None, given))})"
        self._attach(connection, statement)
        connection.execute(f"USE {NAME}")
        self._reach_files(connection)
        yield
        connection.execute("USE memory")
        connection.execute(f"DETACH {NAME}")

    def _attach(self, connection: Connection, statement: str) -> None:
        """Attach, where the catalog is a file when nobody else has it open."""

        def attach() -> None:
            try:
                connection.execute(statement)
            except duckdb.Error as error:
                if _FOR_S3 not in str(error):
                    raise
                _load(connection, _FOR_S3)  # only the catalog knows that files are there
                connection.execute(statement)

        self._when_free(attach)

    def _when_free(self, opened: Callable[[], T]) -> T:
        """What `opened` gives, once no other program has the catalog open, where it is a file."""
        deadline = time.monotonic() + stopping.patience(self.lock_timeout)
        while True:
            try:
                return opened()
            except duckdb.Error as error:
                if "Could not set lock" not in str(error):
                    raise
                if time.monotonic() > deadline:
                    raise LockHeldError(
                        f"{self.catalog} is open in another program ({first_line(error)}): close it there. A catalog in "
                        "PostgreSQL can be used by several at once."
                    ) from None
                time.sleep(_A_LOOK)

    def _reach_files(self, connection: Connection) -> None:
        """Make files on S3 readable, with the credentials that boto3 finds."""
        if not self._files:
            told = connection.execute(
                f"SELECT value FROM ducklake_options('{NAME}') WHERE option_name = 'data_path'"
            ).fetchall()
            self._files.append(told[0][0])
        self._login_to_files(connection, self._files[0])

    def _login_to_files(self, connection: Connection, place: str) -> None:
        if not place.startswith("s3://") or self.s3_login is None:
            return
        _load(connection, _FOR_S3)
        login = ", ".join(f"{name} {quoted(value)}" for name, value in self.s3_login(place).items())
        connection.execute(f"CREATE OR REPLACE SECRET {NAME}_files (TYPE s3, SCOPE {quoted(place)}, {login})")

    @contextmanager
    def _told(self) -> Iterator[None]:
        """What DuckDB says of a lake, in words for the user."""
        try:
            yield
        except (OSError, duckdb.Error) as error:
            said = " ".join(shown(str(error)).split())
            if "DATA_PATH parameter" in said:
                raise LakeError(
                    f"BRAKET_ETL_WAREHOUSE_DATA is {self.data}, but the files of {self.place} lie elsewhere: {said}. "
                    "Unset it: a lake knows where its files are."
                ) from None
            if "conflict" in said.lower():
                raise ConflictError(
                    f"somebody else changed {self.place} meanwhile, and nothing of this step was stored: {said}. "
                    "Run again."
                ) from None
            if "Unable to connect to Postgres" in said or "server closed the connection" in said:
                raise LakeError(self._unreachable(error)) from None
            told = explained(error, self.place, self.place)
            if any(text in said for text in _OF_A_FILE) and (told is None or isinstance(told, DamagedError)):
                told = LakeError(
                    f"a file of {self.place} is missing, damaged or out of reach: {said}. {_BRING_BACK}"
                )
            if told:
                raise told from None
            raise


def _files_and_bytes(connection: Connection) -> tuple[int, int]:
    """How many files hold the tables as the connection sees them, and their bytes."""
    found: list[tuple[int, int]] = connection.execute(
        "SELECT coalesce(sum(file_count + delete_file_count), 0)::BIGINT, "
        "coalesce(sum(file_size_bytes + delete_file_size_bytes), 0)::BIGINT "
        f"FROM ducklake_table_info('{NAME}')"
    ).fetchall()
    return found[0]


def _said_gone(gone: Sequence[str], of: int) -> str:
    more = "; …" if len(gone) > 1 else ""
    return (
        f"{len(gone):,} of {of:,} files of the lake are missing or not as long as they were: {gone[0]}{more}"
    )


def _size_of(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except OSError:
        return None


@contextmanager
def _private_files() -> Iterator[None]:
    """What is written meanwhile is its user's alone: DuckDB leaves the mode to the umask, which is the process's."""
    before = os.umask(0o077)
    try:
        yield
    finally:
        os.umask(before)


def _let_in(group: str, root: str, files: Sequence[str]) -> None:
    """Let the group read these files and pass through the folders below the root."""
    folders = {parent for file in files for parent in Path(file).parents if parent.is_relative_to(root)}
    for path, mode in [*((folder, 0o750) for folder in folders), *((Path(file), 0o640) for file in files)]:
        if path.stat().st_mode & 0o777 != mode:
            shutil.chown(path, group=group)
            path.chmod(mode)


def shown(catalog: str) -> str:
    """The text without the passwords in it."""
    return _PASSWORD_IN_ADDRESS.sub(r"\1:…@", _PASSWORD.sub(r"\1…", catalog))


def _holder(server: psycopg.Connection[Any]) -> Holder | None:
    held = server.execute(
        """SELECT a.application_name, a.state_change FROM pg_locks AS l JOIN pg_stat_activity AS a USING (pid)
        WHERE l.locktype = 'advisory' AND l.granted AND (l.classid, l.objid) = (%s, %s)
            AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())""",
        _LOCK,
    ).fetchall()
    if not held:
        return None
    name, since = held[0]
    purpose, _, rest = str(name).partition("|")
    pid, _, host = rest.partition("|")
    return Holder(purpose, int(pid or 0), host, since)


#: Databases in memory with the extensions loaded, by the process that made them: checking the signatures of the
#: extensions takes half a second, attaching a lake a tenth.
_idle: list[tuple[int, Connection]] = []


@contextmanager
def _engine() -> Iterator[Connection]:
    """A connection to a database in memory that knows DuckLake; one that failed is not used again."""
    base = _idle_one() or _new_one()
    connection = configured(base.cursor())
    connection.execute("RESET threads")  # whoever had it before may have asked for one
    try:
        yield connection
    except BaseException:
        base.close()
        raise
    finally:
        connection.close()
    _idle.append((os.getpid(), base))


def _idle_one() -> Connection | None:
    for each in tuple(_idle):
        if each[0] == os.getpid():
            with suppress(ValueError):  # another thread was faster
                _idle.remove(each)
                return each[1]
    return None


def _new_one() -> Connection:
    base = duckdb.connect()
    for extension in ("ducklake", "postgres_scanner"):
        _load(base, extension)
    return base


def _load(connection: Connection, extension: str) -> None:
    """Load an extension from its wheel; nothing is downloaded and nothing is installed."""
    try:
        file = packaged_extension(extension)
    except ModuleNotFoundError:
        raise LakeError(f"a DuckLake needs more packages: {INSTALL}") from None
    if file is None:
        raise LakeError(
            f"this is DuckDB {duckdb.__version__}, for which the extension {extension} is not installed: {INSTALL} "
            "installs the version of DuckDB that has it"
        )
    connection.execute(f"LOAD {quoted(str(file))}")
