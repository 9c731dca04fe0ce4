"""Money: AWS's price list and the seed, files that users keep, bills, estimates and the FOCUS export.

It knows Arrow, the table declarations and the warehouse; neither Dagster nor boto3. What a task cost is SQL, in
sql/models.
"""
