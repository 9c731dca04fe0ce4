"""Dagster: one file a concept. It calls the other packages and holds no logic of its own about Braket or SQL."""
