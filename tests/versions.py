"""`python -m tests.versions` says on what the tests run: Python, and what this package depends on."""

from __future__ import annotations

import platform
import re
from importlib.metadata import requires, version


def main() -> None:
    names = [re.match(r"[\w.-]+", line) for line in requires("braket-etl") or [] if "extra ==" not in line]
    found = [f"{name[0]} {version(name[0])}" for name in names if name]
    print(f"Python {platform.python_version()}: {', '.join(found)}")


main()
