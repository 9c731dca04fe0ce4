"""What the emulator says when it is ready, as a user starts it and pastes it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.processes import wait_for

SMALL = ("--tasks=20", "--jobs=1", "--days=2", "--now=2026-11-18T14:30:00Z")
LAST = "AWS_EC2_METADATA_DISABLED"
DEVICES = """
import boto3
found = boto3.client("braket").search_devices(filters=[])["devices"]
print(*sorted(device["deviceName"] for device in found), sep=",")
"""


@contextmanager
def said_by(tmp_path: Path, *command: str) -> Iterator[list[str]]:
    """The lines that an emulator has written to standard output once it is ready, while it serves."""
    told = tmp_path / "told"
    with told.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", *command],
            env={**os.environ, "BRAKET_ETL_HOME": str(tmp_path / "home")},
            stdout=output,
        )
    try:
        wait_for(
            lambda: f"export {LAST}=" in told.read_text() or process.poll() is not None,
            "it said what a client needs",
        )
        yield told.read_text().splitlines()
    finally:
        process.kill()
        process.wait()


def in_a_shell(lines: list[str], program: str) -> str:
    """What a Python program says in a shell into which the lines were pasted."""
    script = "\n".join([*lines, f"{sys.executable} - <<'END'", program, "END"])
    done = subprocess.run(["sh", "-e", "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize("command", [("braket_etl", "emulator"), ("braket_emulator",)], ids=" ".join)
def test_what_it_says_makes_a_client_of_a_shell(tmp_path: Path, command: tuple[str, ...]) -> None:
    with said_by(tmp_path, *command, *SMALL) as lines:
        url, *to_paste = lines
        assert url.startswith("http://127.0.0.1:"), "whoever starts it reads the address in the first line"
        assert f"export AWS_ENDPOINT_URL_BRAKET={url}" in to_paste
        assert "export AWS_SECRET_ACCESS_KEY=dummy" in to_paste
        assert "Garnet" not in in_a_shell(to_paste, DEVICES).split(",")  # it is called from Stockholm
        assert "Aquila" in in_a_shell(to_paste, DEVICES).split(",")


@pytest.mark.parametrize("port", ["taken", "99999"])
def test_a_port_that_cannot_be_had_is_named(port: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        chosen = str(other.getsockname()[1]) if port == "taken" else port
        command = [sys.executable, "-m", "braket_emulator", *SMALL, f"--port={chosen}"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert f"port {chosen} on 127.0.0.1 cannot be had" in done.stderr
    assert "--port" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_shell_is_in_the_first_region_and_account_of_the_emulator(tmp_path: Path) -> None:
    options = ("--regions=eu-north-1,us-east-1", "--accounts=210987654321,123456789012")
    with said_by(tmp_path, "braket_emulator", *SMALL, *options) as (_, *to_paste):
        assert "Garnet" in in_a_shell(to_paste, DEVICES).split(",")
        create = """
import boto3
action = '{"braketSchemaHeader": {"name": "braket.ir.openqasm.program", "version": "1"}, "source": "", "inputs": {}}'
print(boto3.client("braket").create_quantum_task(
    action=action, clientToken="x" * 8, shots=1, outputS3Bucket="results", outputS3KeyPrefix="tasks",
    deviceArn="arn:aws:braket:eu-north-1::device/qpu/iqm/Garnet")["quantumTaskArn"])
"""
        assert in_a_shell(to_paste, create).startswith("arn:aws:braket:eu-north-1:210987654321:quantum-task/")
