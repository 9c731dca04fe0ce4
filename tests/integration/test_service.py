"""Services: units that systemd and launchd accept, with absolute paths and no secret, started where one answers."""

from __future__ import annotations

import os
import plistlib
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from braket_etl.cli.service import launchd_plist, run_install, systemd_unit
from braket_etl.orchestration.instance import prepare_dagster_home
from braket_etl.settings import load_settings
from tests.conftest import Program

NAMES = ["braket-etl-daemon.service", "braket-etl-webserver.service"]
linux = pytest.mark.skipif(sys.platform != "linux", reason="systemd is Linux's")
ODD = Path("/tmp/100% of $HOME and 'more' \"quotes\"")
COMMAND = [f"{ODD}/python", "-m", "braket_etl", "service", "run", "daemon"]


@pytest.fixture
def user(program: Program, tmp_path: Path) -> Program:
    """A user of an own configuration folder, without a service manager that answers."""
    program.env = {"XDG_CONFIG_HOME": str(tmp_path / "config"), "PATH": str(tmp_path / "bin")}
    return program


def units(user: Program) -> Path:
    return Path(user.env["XDG_CONFIG_HOME"]) / "systemd" / "user"


@linux
def test_without_a_service_manager_the_units_are_written_and_the_commands_told(user: Program) -> None:
    done = user.run(
        "service",
        "install",
        "--port",
        "3456",
        env={"AWS_PROFILE": "lab", "AWS_DEFAULT_REGION": "us-east-1", "AWS_SECRET_ACCESS_KEY": "hidden"},
    )
    assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in units(user).iterdir()) == NAMES
    assert "systemctl --user daemon-reload" in done.stderr
    for what in ("enable", "restart"):
        assert (
            f"systemctl --user {what} braket-etl-webserver.service braket-etl-daemon.service" in done.stderr
        )
    assert "loginctl enable-linger" in done.stderr
    text = "".join(path.read_text() for path in units(user).iterdir())
    for needed in (
        f'"BRAKET_ETL_HOME={user.home}"',
        f'"DAGSTER_HOME={user.home}/dagster"',
        '"AWS_PROFILE=lab"',
        '"AWS_DEFAULT_REGION=us-east-1"',
        f'ExecStart="{sys.executable}" "-m" "braket_etl" "service" "run" "daemon"',
        '"--port" "3456"',
        "Restart=always",
    ):
        assert needed in text
    assert "hidden" not in text + done.stderr


@linux
def test_where_systemd_answers_they_are_started_and_stopped(user: Program, tmp_path: Path) -> None:
    folder = Path(user.env["PATH"])
    folder.mkdir()
    systemctl = folder / "systemctl"
    systemctl.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/asked\n')
    systemctl.chmod(0o755)
    user.ok("service", "install")
    done = user.run("service", "install", "--port", "3001")
    assert "started; the UI is at http://127.0.0.1:3001" in done.stderr
    done = user.run("service", "uninstall")
    assert done.returncode == 0, done.stderr
    assert list(units(user).iterdir()) == []
    started = [
        "--user daemon-reload",
        "--user enable braket-etl-webserver.service braket-etl-daemon.service",
        "--user restart braket-etl-webserver.service braket-etl-daemon.service",  # what ran had the old units
    ]
    assert (tmp_path / "asked").read_text().splitlines() == [
        *started,
        *started,
        "--user disable --now braket-etl-webserver.service braket-etl-daemon.service",
        "--user daemon-reload",
    ]
    assert "no unit is installed" in user.run("service", "uninstall").stderr


@linux
def test_a_dry_run_prints_and_writes_nothing(user: Program) -> None:
    unseen = {
        "BRAKET_ETL_REGIONS": "us-*",
        "AWS_ACCESS_KEY_ID": "AKIAX",
        "AWS_ENDPOINT_URL_BRAKET": "http://127.0.0.1:9",
        "https_proxy": "http://user:CANARY@proxy.example",
    }
    done = user.run("service", "install", "--dry-run", env=unseen)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("[Service]") == 2
    assert "put these settings into braket_etl.toml" in done.stderr
    assert "BRAKET_ETL_REGIONS" in done.stderr
    assert "AWS_ENDPOINT_URL_BRAKET" in done.stderr
    assert "https_proxy" in done.stderr
    for secret in ("AKIAX", "CANARY"):
        assert secret not in done.stdout + done.stderr
    assert not units(user).exists()
    assert not user.home.exists()


def test_the_status_says_that_no_daemon_is_alive(user: Program) -> None:
    done = user.run("service", "status")
    assert done.returncode == 1
    assert "no daemon is alive" in done.stderr


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
def test_systemd_finds_nothing_wrong_and_reads_odd_paths_back(tmp_path: Path) -> None:
    command = [sys.executable, *COMMAND[1:], "--port", "3000"]
    unit = tmp_path / "braket-etl-daemon.service"
    unit.write_text(systemd_unit("daemon", command, {"BRAKET_ETL_HOME": str(ODD)}, tmp_path))
    done = subprocess.run(
        ["systemd-analyze", "--user", "verify", "--man=no", str(unit)],
        env={**os.environ, "XDG_RUNTIME_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert unit.name not in done.stderr
    assert "100%% of $HOME and 'more' \\\"quotes\\\"" in unit.read_text()


def test_launchd_is_told_to_drop_the_agents_of_an_earlier_install(
    user: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = Path(user.env["PATH"])
    folder.mkdir()
    launchctl = folder / "launchctl"
    launchctl.write_text(
        f'#!/bin/sh\necho "$1" >> {tmp_path}/asked\n'
        f'case "$1" in bootout) /bin/rm -f {tmp_path}/loaded;; bootstrap) test ! -e {tmp_path}/loaded;; esac\n'
    )
    launchctl.chmod(0o755)
    for name, value in user.environment({"HOME": str(tmp_path)}).items():
        monkeypatch.setenv(name, value)
    assert load_settings().home == user.home
    prepare_dagster_home(load_settings())
    monkeypatch.setattr(sys, "platform", "darwin")
    assert run_install(3000, dry_run=False) == 0  # nothing is loaded yet
    (tmp_path / "loaded").touch()
    assert run_install(3000, dry_run=False) == 0
    assert (tmp_path / "asked").read_text().split() == ["bootout", "bootout", "bootstrap", "bootstrap"] * 2
    assert len(list((tmp_path / "Library" / "LaunchAgents").iterdir())) == 2


def test_launchd_gets_what_it_needs(tmp_path: Path) -> None:
    plist = plistlib.loads(launchd_plist("daemon", COMMAND, {"BRAKET_ETL_HOME": str(ODD)}, tmp_path).encode())
    assert plist["ProgramArguments"] == COMMAND
    assert plist["EnvironmentVariables"] == {"BRAKET_ETL_HOME": str(ODD)}
    assert plist["KeepAlive"] is plist["RunAtLoad"] is True
    assert plist["Label"] == "braket-etl.daemon"
