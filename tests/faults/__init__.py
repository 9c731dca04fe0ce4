from pathlib import Path

import pytest

# The scenarios assert, and are no test modules themselves; without this a failure would not tell what it compared.
_modules = (path.stem for path in Path(__file__).parent.glob("[a-z]*.py"))
pytest.register_assert_rewrite(*(f"{__name__}.{module}" for module in _modules))
