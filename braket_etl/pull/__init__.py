"""Getting records into the warehouse: plan what to ask, ask, merge what comes, say what is missing.

The only place that knows the AWS layer, the tables and the warehouse together. Dagster and the command line
call it; it knows neither.
"""
