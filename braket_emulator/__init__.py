"""A local Amazon Braket endpoint that speaks the wire protocol, to test against without AWS.

Its account is synthetic and made from a seed; nothing in it comes from AWS. It imports nothing of `braket_etl`, which uses
it for its demo, its tests and its benchmarks. Importing this package loads no server.
"""

from braket_emulator.options import Options
from braket_emulator.process import Emulator, running

__all__ = ["Emulator", "Options", "running"]
