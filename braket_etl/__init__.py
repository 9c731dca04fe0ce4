"""What Amazon Braket tasks and jobs cost and how long they waited, kept in DuckDB by a Dagster pipeline.

Nothing but the version and the component's name belongs here: importing the package must stay free of side effects and of
heavy imports, and the component is loaded when it is asked for.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from braket_etl.orchestration.component import BraketPipeline as BraketPipeline

__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    if name != "BraketPipeline":
        raise AttributeError(f"module {__name__} has no attribute {name}")
    from braket_etl.orchestration.component import BraketPipeline

    return BraketPipeline
