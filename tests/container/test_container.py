"""deploy/Containerfile, built and run by docker or podman, else by its steps in a folder; and what it starts.

BRAKET_ETL_CONTAINER is the engine, or `steps`: see `make test-container`.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from braket_emulator import Emulator
from tests.conftest import SMALL_SINCE
from tests.processes import wait_for

HOW = os.environ.get("BRAKET_ETL_CONTAINER", "")
ROOT = Path(__file__).resolve().parents[2]
FILE = ROOT / "deploy" / "Containerfile"
USER = 10001
IMAGE = VOLUME = "braket-etl-tested"

pytestmark = pytest.mark.skipif(not HOW, reason="`make test-container` builds and runs it")


@dataclass(frozen=True)
class Steps:
    """What the file's steps make, below a folder in place of /."""

    root: Path
    env: dict[str, str]
    user: dict[str, object]

    def words(self, *command: str, env: Mapping[str, str]) -> dict[str, object]:
        return {"args": [*command], "env": {**self.env, **env}, "cwd": self.root, **self.user}


@dataclass(frozen=True)
class Engine:
    """The image, with a volume of its own; servers listen on the host's 127.0.0.1."""

    def words(self, *command: str, env: Mapping[str, str]) -> dict[str, object]:
        given = [word for name, value in env.items() for word in ("--env", f"{name}={value}")]
        volume = f"{VOLUME}:/var/lib/braket-etl"
        return {
            "args": [HOW, "run", "--rm", "--network", "host", "--volume", volume, *given, IMAGE, *command]
        }


@pytest.fixture(scope="module")
def container() -> Iterator[Steps | Engine]:
    if HOW != "steps":
        subprocess.run([HOW, "build", "--file", str(FILE), "--tag", IMAGE, str(ROOT)], check=True)
        yield Engine()
        subprocess.run([HOW, "volume", "rm", "--force", VOLUME], check=False)
        return
    root = Path(tempfile.mkdtemp(dir="/var/tmp"))
    root.chmod(0o755)  # another user goes through it
    try:
        yield taken(root)
    finally:
        shutil.rmtree(root)


def taken(root: Path) -> Steps:
    """Take the steps: ENV, COPY and RUN as they stand, each path of the image below the folder."""
    python, user = python_and_user()
    (root / "bin").mkdir()
    (root / "bin" / "python").symlink_to(python)
    env = {"PATH": f"{root}/bin:/usr/bin:/bin", "LANG": "C.UTF-8", "PIP_QUIET": "2"}
    home = root / "var/lib/braket-etl"
    for step, rest in instructions():
        below = rest.replace("/opt/", f"{root}/opt/").replace("/var/lib/", f"{root}/var/lib/")
        if step == "ENV":
            pairs = (pair.split("=", 1) for pair in below.split())
            env |= {name: value.replace("$PATH", env["PATH"]) for name, value in pairs}
        elif step == "COPY":
            *sources, target = below.split()
            for source in sources:
                copied(ROOT / source, Path(target))
        elif step == "RUN" and "useradd" in rest:
            home.mkdir(parents=True)
        elif step == "RUN":
            subprocess.run(["sh", "-ec", below], env=env, cwd=root, check=True)
    if user:
        os.chown(home, USER, USER)
    return Steps(root, env | {"HOME": str(home)}, user)


def instructions() -> list[tuple[str, str]]:
    lines = [line for line in FILE.read_text().splitlines() if line and not line.startswith("#")]
    return [(step, rest) for step, _, rest in (line.partition(" ") for line in lines)]


def copied(source: Path, target: Path) -> None:
    """As COPY does: a folder's contents, or a file into a folder that ends in / or at a path."""
    if source.is_dir():
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(source, target)


def python_and_user() -> tuple[str, dict[str, object]]:
    """A Python of this version, and as whom to run it: as another user where we may and there is one that they can run."""
    here = [str(Path(sys.executable).resolve()), f"/usr/bin/python3.{sys.version_info.minor}"]
    other: dict[str, object] = {"user": USER, "group": USER, "extra_groups": []}
    for python in here if os.geteuid() == 0 else []:
        with suppress(OSError, subprocess.SubprocessError):
            subprocess.run([python, "-c", "import ssl, ensurepip"], check=True, capture_output=True, **other)  # type: ignore[call-overload]
            return python, other
    return here[0], {}


@contextmanager
def serving(container: Steps | Engine, log: Path, *command: str) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("wb") as output:
        process = subprocess.Popen(**container.words(*command, env={}), stdout=output, stderr=output)  # type: ignore[call-overload]
    try:
        yield process
    finally:
        process.terminate()
        process.wait(100)


def answer(container: Steps | Engine, *command: str, env: Mapping[str, str]) -> str:
    done = subprocess.run(
        **container.words(*command, env=env), capture_output=True, text=True, timeout=600, check=False
    )  # type: ignore[call-overload]
    assert done.returncode == 0, done.stdout + done.stderr
    return str(done.stdout)


def address(log: Path) -> str:
    lines: Sequence[str] = log.read_text().splitlines()
    return next((line for line in lines if line.startswith("http://127.0.0.1:")), "")


def of_the_folder(root: Path) -> list[str]:
    """The processes that were started with the folder's settings and still run."""
    found = []
    for environ in Path("/proc").glob("[0-9]*/environ"):
        with suppress(OSError):
            if f"BRAKET_ETL_HOME={root}".encode() in environ.read_bytes():
                found.append(environ.parent.name)
    return found


def test_one_command_runs_daemon_and_dashboard_for_another_user_and_ends_both(
    container: Steps | Engine, emulator: Emulator, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    answer(
        container, "braket-etl", "sync", env={**emulator.env(), **SMALL_SINCE, "BRAKET_ETL_PRICE_LIST": "off"}
    )
    with serving(container, log, "daemon-and-dashboard", "--port", "0") as process:
        wait_for(lambda: address(log), "the dashboard's address is printed")
        with urllib.request.urlopen(address(log)) as page:
            assert "Garnet" in page.read().decode()
        if isinstance(container, Steps):
            wait_for(lambda: "is alive" in alive(container), "the daemon tells that it is alive", seconds=120)
        process.send_signal(signal.SIGTERM)
        assert process.wait(100) == 0, log.read_text()
    if isinstance(container, Steps):
        wait_for(lambda: not of_the_folder(container.root), "all that it started has ended", seconds=60)
        assert {path.stat().st_uid for path in container.root.glob("var/lib/braket-etl/*")} == {
            USER if container.user else os.getuid()
        }


def alive(container: Steps) -> str:
    done = subprocess.run(
        **container.words("braket-etl", "service", "status", env={}),  # type: ignore[call-overload]
        capture_output=True,
        text=True,
        check=False,
    )
    return str(done.stderr) if done.returncode == 0 else ""
