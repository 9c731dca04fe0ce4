"""A local Amazon Braket endpoint that speaks the wire protocol, for the demo, the tests and the benchmarks.

Its account is synthetic and made from a seed; nothing in it comes from AWS. Imported by nothing but the
command line and the tests. Importing this package loads no server.
"""

from braket_etl.emulator.options import Options
from braket_etl.emulator.process import Emulator, running

__all__ = ["Emulator", "Options", "running"]
