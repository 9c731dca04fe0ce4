"""What the starter files hold, made from the settings' declarations and the list of IAM actions: never stale."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import Any

from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from braket_etl.settings import CONFIG_FILE, PREFIX, Settings

_WIDTH = 100
_HEAD = (
    "Settings of braket_etl. A flag wins over the environment, the environment over this file, this file over the "
    "default. Each line that is out says the default, or an example where there is none; remove its # to set it. The "
    f"file is looked for in the current folder, in the home and in the checkout, or where {PREFIX}CONFIG says."
)


def starter_files(allowed: Mapping[str, Any]) -> dict[str, str]:
    """File names and contents; `allowed` is the IAM policy."""
    return {
        CONFIG_FILE: config_file_text(),
        "iam-policy.json": json.dumps(allowed, indent=2) + "\n",
        "cross-account-role.yaml": _role(allowed),
    }


def config_file_text() -> str:
    """A braket_etl.toml that sets nothing: each setting with its meaning and default, or an example, commented out."""
    plain: list[str] = []
    tables: list[str] = []
    for name, field in Settings.model_fields.items():
        lines = "\n".join(
            (*_commented(f"{field.description}. Also {PREFIX}{name.upper()}."), *_setting(name, field))
        )
        (tables if _is_table(_value(field)) else plain).append(lines)
    # a key after [[a table]] would belong to it, so tables come last
    return "\n\n".join(("\n".join(_commented(_HEAD)), *plain, *tables)) + "\n"


def _setting(name: str, field: FieldInfo) -> Iterator[str]:
    value = _value(field)
    if not _is_table(value):
        yield f"#{name} = {_toml(value)}"
        return
    for entry in value:
        yield f"#[[{name}]]"
        yield from (f"#{key} = {_toml(each)}" for key, each in entry.items())


def _value(field: FieldInfo) -> Any:
    """The default; where that is nothing, the examples, or the first of them for a setting of one value."""
    default = field.get_default(call_default_factory=True, validated_data={})
    if default not in (None, (), PydanticUndefined):
        return default
    examples = field.examples or []
    return examples if default == () else examples[0]


def _is_table(value: Any) -> bool:
    return isinstance(value, list) and isinstance(value[0], Mapping)


def _toml(value: Any) -> str:
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_toml, value))}]"
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, bool | int | float):
        return json.dumps(value)
    return json.dumps(str(value), ensure_ascii=False)  # a TOML string has JSON's escapes


def _commented(text: str) -> list[str]:
    return textwrap.wrap(text, _WIDTH, initial_indent="# ", subsequent_indent="# ", break_on_hyphens=False)


def _role(allowed: Mapping[str, Any]) -> str:
    template = Path(__file__).with_name("cross-account-role.yaml").read_text("utf-8")
    document = json.dumps(allowed, indent=2)  # JSON is YAML
    return template.replace("@POLICY@", textwrap.indent(document, " " * 12).lstrip())
