"""The wiring: complete before anything starts, and nothing is loaded that is not used."""

import subprocess
import sys

import pytest
from dishka import Provider, Scope
from dishka.exceptions import NoFactoryError

from nano_banana_lab.core.storage.ports import BlobStore
from nano_banana_lab.main.container import make_container
from nano_banana_lab.main.settings import Settings


class Unheard:
    """What nobody provides."""


def needy(_: Unheard) -> BlobStore:
    raise AssertionError("made without what it needs")


def test_an_adapter_that_needs_what_nobody_provides_is_refused_at_once() -> None:
    provider = Provider(scope=Scope.APP)
    provider.provide(needy)

    with pytest.raises(NoFactoryError, match="Unheard"):
        make_container(Settings(), provider)


def test_putting_a_lab_together_loads_no_adapter() -> None:
    code = (
        "import sys\n"
        "from nano_banana_lab.main.container import make_container\n"
        "from nano_banana_lab.main.settings import Settings\n"
        "make_container(Settings())\n"
        "print(*(name for name in sys.modules if name.startswith('nano_banana_lab.adapters.')))"
    )

    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == ""
