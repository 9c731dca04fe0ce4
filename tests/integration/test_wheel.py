"""The wheel in a bare environment, far from the checkout: built offline, installed, and used as a user would.

The environment has the locked dependencies by a path file, so that no index is asked; path files in there are not read,
so the editable install of this checkout is not seen.
"""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import tomllib
import venv
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@dataclass
class Installed:
    """braket-etl as a wheel has installed it, run by a user with a home folder of their own."""

    binaries: Path
    user_home: Path

    @property
    def data(self) -> Path:
        """The platform's user data folder of that user; for a wheel our home lies in it."""
        told = self.python("import platformdirs; print(platformdirs.user_data_dir(appauthor=False))")
        return Path(told.stdout.strip())

    def run(
        self, program: str, *arguments: str, env: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """A program of the environment, in an empty folder, without a setting."""
        return subprocess.run(
            [self.binaries / program, *arguments],
            env={**os.environ, "HOME": str(self.user_home), "NO_COLOR": "1", **(env or {})},
            cwd=self.user_home,
            capture_output=True,
            text=True,
            timeout=1200,
            check=False,
        )

    def python(self, code: str) -> subprocess.CompletedProcess[str]:
        return self.run("python", "-c", code)

    def ok(self, *arguments: str, env: Mapping[str, str] | None = None) -> str:
        done = self.run("braket-etl", *arguments, env=env)
        assert done.returncode == 0, done.stderr + done.stdout
        return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)],
        cwd=ROOT,
        check=True,
        capture_output=True,
        timeout=1200,
    )
    [built] = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    folder = tmp_path_factory.mktemp("bare")
    venv.create(folder / "env", with_pip=False)
    python = folder / "env" / "bin" / "python"
    site = Path(sysconfig.get_path("purelib", vars={"base": str(folder / "env")}))
    (site / "locked.pth").write_text(sysconfig.get_path("purelib") + "\n")
    subprocess.run(
        [
            sys.executable,
            "-m",
            "pip",
            "--python",
            str(python),
            "install",
            "--quiet",
            "--no-index",
            "--no-deps",
            "--ignore-installed",
            str(wheel),
        ],
        check=True,
        timeout=1200,
    )
    user_home = folder / "user"
    user_home.mkdir()
    return Installed(python.parent, user_home)


def test_it_holds_all_that_is_no_python_and_nothing_else_of_the_checkout(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    package = {name for name in names if ".dist-info/" not in name}
    assert {name.split("/")[0] for name in package} == {"braket_etl", "braket_emulator"}
    sql = {f"braket_etl/_packaged/{path.relative_to(ROOT)}" for path in (ROOT / "sql").rglob("*.sql")}
    tracked = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "braket_etl", "braket_emulator"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout.splitlines()
    ours = {name for name in tracked if (ROOT / name).is_file()}
    assert package == ours | sql | {
        f"braket_etl/_packaged/{other}" for other in ("dagster.yaml", "data-dictionary.md", "sql/parsed.json")
    }


def test_it_runs_from_where_it_was_installed(installed: Installed) -> None:
    found = Path(installed.python("import braket_etl; print(braket_etl.__file__)").stdout.strip())
    assert found.is_relative_to(installed.binaries.parent)
    version = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["version"]
    assert installed.ok("--version").strip() == version


def test_the_demo_runs_and_its_data_lie_in_the_users_folder(installed: Installed) -> None:
    installed.ok("demo", "--tasks", "60", "--jobs", "3", "--days", "3")
    home = installed.data / "braket_etl-demo"
    assert (home / "warehouse.duckdb").exists()
    assert (home / "dagster_home" / "dagster.yaml").read_text() == (
        ROOT / "dagster_home" / "dagster.yaml"
    ).read_text()
    demo = ("--home", str(home))
    assert installed.ok(*demo, "sql", "select count(*) from quantum_tasks", "--format", "csv").endswith(
        "\n60\n"
    )
    assert "tag_value" in installed.ok(*demo, "sql", "@cost_by_tag", "--format", "csv")
    installed.ok(*demo, "report", "--output", str(installed.user_home / "report.html"))
    assert "<html" in (installed.user_home / "report.html").read_text("utf-8")
    assert {path.name for path in installed.user_home.iterdir() if not path.name.startswith(".")} <= {
        "report.html",
        "Library",
    }


def test_dagster_loads_its_definitions(installed: Installed, tmp_path: Path) -> None:
    done = installed.run(
        "python",
        "-m",
        "dagster",
        "definitions",
        "validate",
        "-m",
        "braket_etl.definitions",
        env={"DAGSTER_HOME": str(tmp_path)},
    )
    assert done.returncode == 0, done.stderr


def test_its_own_home_is_below_the_users_folder_too(installed: Installed) -> None:
    done = installed.run("braket-etl", "sql", "select 1")
    assert done.returncode == 1
    assert str(installed.data / "braket_etl" / "warehouse.duckdb") in " ".join(done.stderr.split())
