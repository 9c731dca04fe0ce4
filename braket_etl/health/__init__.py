"""What `braket-etl doctor` and `braket-etl status` look at: whether all is well, and how things stand.

Nothing here writes: neither a folder, nor a database, nor a Dagster home is made just to look. The one exception are
the request budgets, where there are any: a look at Braket counts like every other request.
"""
