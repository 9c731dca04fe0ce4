"""What Amazon Braket tasks and jobs cost and how long they waited, kept in DuckDB by a Dagster pipeline.

Nothing but the version and the component's name belongs here: importing the package must stay free of side effects and of
heavy imports, and the component is loaded when it is asked for.
"""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    if name != "BraketPipeline":
        raise AttributeError(f"module {__name__} has no attribute {name}")
    return import_module("braket_etl.orchestration.component").BraketPipeline
