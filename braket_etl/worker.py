"""A Celery worker of braket_etl: `celery --app braket_etl.worker worker --concurrency 2`.

It reads the settings of its machine and needs the extra `cluster`. The definitions are loaded once, before a process is
forked for each step.
"""

from braket_etl.definitions import defs
from braket_etl.orchestration.workers import worker_app
from braket_etl.settings import load_settings

app = worker_app(load_settings())
defs.get_repository_def()
