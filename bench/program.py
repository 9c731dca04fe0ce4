"""The program as a user runs it, with none of the settings of whoever measures."""

from __future__ import annotations

import os
import sys
from pathlib import Path

PROGRAM = Path(sys.executable).with_name("braket-etl")


def without_settings() -> dict[str, str]:
    """The environment of this process without the program's own settings."""
    return {name: value for name, value in os.environ.items() if not name.startswith("BRAKET_ETL_")}
