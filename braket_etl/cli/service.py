"""`service`: units that keep the Dagster webserver and daemon alive, for systemd of the user or launchd."""

from __future__ import annotations

import json
import os
import plistlib
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from braket_etl.cli.output import out, say, warn
from braket_etl.cli.serve import become, served_settings
from braket_etl.health.configured import AWS_SETTINGS
from braket_etl.private_files import private_folder
from braket_etl.settings import PREFIX, Settings, SettingsError, config_file, load_settings

_PARTS = {"webserver": "the Dagster UI of braket_etl", "daemon": "the schedules and runs of braket_etl"}
#: What decides who is asked and how, and may hold a password or be meant for this shell alone: only named. Without
#: regard to case, since libraries take proxies in either.
_TOLD = ("AWS_ENDPOINT_URL", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
_OURS = ("HOME", "CONFIG", "QUIET")


@dataclass(frozen=True, slots=True)
class Unit:
    """A file for the service manager."""

    name: str
    path: Path
    content: str


def run_install(port: int, *, dry_run: bool) -> int:
    """Write the units and start them, or say how; with `dry_run` print them only."""
    from braket_etl.orchestration.instance import prepare_dagster_home

    settings = load_settings()
    if settings.is_demo:
        raise SettingsError(f"{settings.home} is the demo's home: nothing is scheduled there")
    units = _units(settings, port)
    _warn_of_environment()
    if dry_run:
        for unit in units:
            out.print(f"# {unit.path}\n{unit.content}", markup=False, soft_wrap=True)
        return 0
    prepare_dagster_home(settings)
    private_folder(settings.home / "logs")
    for unit in units:
        unit.path.parent.mkdir(parents=True, exist_ok=True)
        unit.path.write_text(unit.content)
        say(f"wrote {unit.path}")
    for command in _before_start(units):  # fails where nothing runs yet
        _ran(command)
    started = all(_ran(command) for command in _start_commands(units))
    if started:
        say(f"started; the UI is at http://127.0.0.1:{port}")
    else:
        say("The service manager of this user does not answer here. Start them with:")
        for command in (*_before_start(units), *_start_commands(units)):
            say(f"  {' '.join(command)}")
    if sys.platform != "darwin":
        say("To keep them running while you are logged out:\n  loginctl enable-linger")
    return 0


def run_uninstall() -> int:
    """Stop the services and remove their units."""
    units = [unit for unit in _units(load_settings(), 0) if unit.path.exists()]
    if not units:
        say("no unit is installed")
        return 0
    stopped = [_ran(command) for command in _stop_commands(units)]  # all of them, whatever the first says
    if not all(stopped):
        warn("the service manager of this user does not answer; what runs goes on until it is stopped")
    for unit in units:
        unit.path.unlink()
        say(f"removed {unit.path}")
    if sys.platform != "darwin":
        _ran(["systemctl", "--user", "daemon-reload"])
    return 0


def run_status(*, as_json: bool) -> int:
    """Tell which units are installed and whether a daemon is alive; 1 where none is."""
    from braket_etl.orchestration.instance import daemon_is_alive, dagster_home, ready_instance

    settings = load_settings()
    units = {unit.name: unit.path.exists() for unit in _units(settings, 0)}
    laid_out = (dagster_home(settings) / "dagster.yaml").exists()
    alive = laid_out and daemon_is_alive(ready_instance(settings))
    if as_json:
        print(json.dumps({"installed": units, "daemon_is_alive": alive}))
        return 0 if alive else 1
    for name, installed in units.items():
        say(f"{name}: {'installed' if installed else 'not installed'}")
    say("a daemon is alive" if alive else "no daemon is alive: nothing is pulled by itself")
    return 0 if alive else 1


def run_part(part: str, port: int) -> int:
    """Become the webserver or the daemon, with our instance and definitions."""
    from braket_etl.orchestration.instance import workspace_arguments

    served_settings()
    if part == "webserver":
        become("dagster_webserver", *workspace_arguments(), "-h", "127.0.0.1", "-p", str(port))
    become("dagster._daemon", "run", *workspace_arguments())


def systemd_unit(part: str, command: Sequence[str], environment: Mapping[str, str], folder: Path) -> str:
    """A unit of the user's systemd that starts the command again whenever it ends."""
    variables = "".join(f"Environment={_systemd(f'{name}={value}')}\n" for name, value in environment.items())
    return (
        f"[Unit]\nDescription={_PARTS[part]}\n\n"
        f"[Service]\n{variables}WorkingDirectory={_systemd(str(folder), quote=False)}\n"
        f"ExecStart={' '.join(_systemd(word, in_command=True) for word in command)}\n"
        "Restart=always\nRestartSec=10\nTimeoutStopSec=90\n\n"
        "[Install]\nWantedBy=default.target\n"
    )


def launchd_plist(part: str, command: Sequence[str], environment: Mapping[str, str], folder: Path) -> str:
    """An agent of the user's launchd that starts the command again whenever it ends."""
    log = str(folder / "logs" / f"{part}.log")
    return plistlib.dumps(
        {
            "Label": f"braket-etl.{part}",
            "ProgramArguments": list(command),
            "EnvironmentVariables": dict(environment),
            "WorkingDirectory": str(folder),
            "RunAtLoad": True,
            "KeepAlive": True,
            "ThrottleInterval": 10,
            "StandardOutPath": log,
            "StandardErrorPath": log,
        }
    ).decode()


def _units(settings: Settings, port: int) -> list[Unit]:
    from braket_etl.orchestration.instance import dagster_home

    environment = {"BRAKET_ETL_HOME": str(settings.home), "DAGSTER_HOME": str(dagster_home(settings))}
    if file := config_file():
        environment[f"{PREFIX}CONFIG"] = str(file)
    environment |= {name: os.environ[name] for name in AWS_SETTINGS if name in os.environ}
    units = []
    for part in _PARTS:
        command = [sys.executable, "-m", "braket_etl", "service", "run", part]
        command += ["--port", str(port)] if part == "webserver" else []
        if sys.platform == "darwin":
            name = f"braket-etl.{part}"
            path = Path.home() / "Library" / "LaunchAgents" / f"{name}.plist"
            units.append(Unit(name, path, launchd_plist(part, command, environment, settings.home)))
        else:
            name = f"braket-etl-{part}.service"
            config = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
            path = config / "systemd" / "user" / name
            units.append(Unit(name, path, systemd_unit(part, command, environment, settings.home)))
    return units


def _warn_of_environment() -> None:
    """Name what is set in this shell and will not reach the services."""
    ours = [name for name in os.environ if name.startswith(PREFIX) and name.removeprefix(PREFIX) not in _OURS]
    if ours:
        warn(f"the services do not see {', '.join(sorted(ours))}: put these settings into braket_etl.toml")
    if theirs := [name for name in os.environ if name.upper().startswith(_TOLD)]:
        warn(
            f"the services do not see {', '.join(sorted(theirs))}: an endpoint belongs into a profile of the AWS "
            "configuration (endpoint_url), a proxy into the environment of the service manager"
        )
    if "AWS_ACCESS_KEY_ID" in os.environ:
        warn(
            "the services do not see AWS_ACCESS_KEY_ID and its secret: use a profile (AWS_PROFILE) or a role"
        )


def _before_start(units: Sequence[Unit]) -> list[list[str]]:
    """What ends services of an earlier install: launchd refuses to load what is loaded."""
    return _stop_commands(units) if sys.platform == "darwin" else []


def _start_commands(units: Sequence[Unit]) -> list[list[str]]:
    """What starts the services, with the units as they are now also where they ran before."""
    if sys.platform == "darwin":
        return [["launchctl", "bootstrap", f"gui/{os.getuid()}", str(unit.path)] for unit in units]
    names = [unit.name for unit in units]
    systemctl = ["systemctl", "--user"]
    return [[*systemctl, "daemon-reload"], [*systemctl, "enable", *names], [*systemctl, "restart", *names]]


def _stop_commands(units: Sequence[Unit]) -> list[list[str]]:
    if sys.platform == "darwin":
        return [["launchctl", "bootout", f"gui/{os.getuid()}/{unit.name}"] for unit in units]
    return [["systemctl", "--user", "disable", "--now", *(unit.name for unit in units)]]


def _ran(command: Sequence[str]) -> bool:
    """Whether the command exists and went well."""
    program = shutil.which(command[0])
    if program is None:
        return False
    done = subprocess.run([program, *command[1:]], capture_output=True, check=False)  # noqa: S603 - our own words
    return done.returncode == 0


def _systemd(text: str, *, quote: bool = True, in_command: bool = False) -> str:
    """The text as systemd reads it back: specifiers, variables and quotes taken literally (systemd.syntax(7))."""
    text = text.replace("%", "%%")
    if in_command:
        text = text.replace("$", "$$")
    if not quote:
        return text
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'
