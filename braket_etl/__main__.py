"""`python -m braket_etl` is `braket-etl`."""

from braket_etl.cli import main

main()
