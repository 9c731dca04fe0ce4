"""`init`: files to begin with. Nothing is overwritten unless it is said so."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from braket_etl.aws.permissions import DEFAULT_BUCKETS, policy
from braket_etl.cli.output import say
from braket_etl.settings import CONFIG_FILE, SettingsError, load_settings
from braket_etl.starter.files import starter_files
from braket_etl.warehouse.connection import replaced_atomically

_NEXT = """what now:
  - settings: braket_etl.toml is read from the current folder, the home or the checkout; all lines are comments
  - permissions: attach iam-policy.json to the user or role that runs braket_etl
  - other accounts: deploy cross-account-role.yaml in each and name its role in braket_etl.toml
  - then `braket-etl doctor` says whether everything works"""


def run_init(folder: Path, buckets: Sequence[str], *, may_list: bool, force: bool) -> int:
    """Write the starter files into the folder; raises SettingsError where one is there and `force` is not given."""
    settings = load_settings()
    callers = settings.created_by != "off"
    files = starter_files(
        policy(buckets or DEFAULT_BUCKETS, may_list=may_list, events=settings.events, callers=callers)
    )
    there = [name for name in files if (folder / name).exists()]
    if there and not force:
        raise SettingsError(
            f"{', '.join(there)} in {folder} would be overwritten: add --force, or choose a --folder"
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            # settings may come to hold an external id or the password of a mail server
            replaced_atomically(folder / name, text, mode=0o600 if name == CONFIG_FILE else 0o644)
            print(folder / name)
    except OSError as error:
        raise SettingsError(f"{folder} cannot be written: {error.strerror}") from None
    say(_NEXT)
    return 0
