"""The DuckDB warehouse: connecting, migrating, merging, modelling, publishing.

It takes Arrow tables and table declarations, and knows neither AWS nor Dagster.
"""
