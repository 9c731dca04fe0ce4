"""Everything that talks to AWS: sessions, request budgets, searches, fetches and results in S3.

Belongs here: what is said over the wire, how often, and what an answer must look like to be believed.
Does not belong here: Arrow, DuckDB, Dagster and settings; the callers pass plain values in.
"""
