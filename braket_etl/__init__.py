"""What Amazon Braket tasks and jobs cost and how long they waited, kept in DuckDB by a Dagster pipeline.

Nothing but the version belongs here: importing the package must stay free of side effects and of heavy imports.
"""

__version__ = "0.1.0"
