"""The program as a user runs it, with none of the settings of whoever measures."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from braket_emulator import Emulator

PROGRAM = Path(sys.executable).with_name("braket-etl")


def pulling_from(served: Emulator) -> dict[str, str]:
    """The environment in which the program pulls from that endpoint, as it stands by itself; its home is to be named."""
    return {
        **without_settings(),
        **served.env(),
        "BRAKET_ETL_CONFIG": os.devnull,
        "BRAKET_ETL_PRICE_LIST": f"{served.price_list_url}/index.csv",
    }


def without_settings() -> dict[str, str]:
    """The environment of this process without the program's own settings."""
    return {name: value for name, value in os.environ.items() if not name.startswith("BRAKET_ETL_")}
