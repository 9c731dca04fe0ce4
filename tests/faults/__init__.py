from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import pytest

# The scenarios assert, and are no test modules themselves; without this a failure would not tell what it compared.
_modules = (path.stem for path in Path(__file__).parent.glob("[a-z]*.py"))
pytest.register_assert_rewrite(*(f"{__name__}.{module}" for module in _modules))


def cases(named: Mapping[str, Any], once: Collection[str]) -> list[Any]:
    """Parameters of a test, by name: `make test` runs those of `once`, one of each sort; `make test-thorough` the others."""
    assert named.keys() >= {*once}
    return [
        pytest.param(case, id=name, marks=() if name in once else pytest.mark.thorough)
        for name, case in named.items()
    ]
