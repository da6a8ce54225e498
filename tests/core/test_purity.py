"""The core is plain Python: no framework, no client library, no I/O."""

import ast
import sys
from pathlib import Path

import pytest

import nano_banana_lab.core

CORE = Path(nano_banana_lab.core.__file__).parent
FILES = sorted(CORE.rglob("*.py"))
DOES_IO = {"os", "pathlib", "io", "socket", "ssl", "subprocess", "sqlite3", "urllib", "http", "shutil", "tempfile"}


def imported(file: Path) -> set[str]:
    """The dotted names of all modules that a file imports, wherever in it."""
    nodes = list(ast.walk(ast.parse(file.read_text("utf-8"))))
    plain = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    return plain | {node.module or "." for node in nodes if isinstance(node, ast.ImportFrom)}


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(CORE)))
def test_a_core_module_imports_only_the_standard_library_msgspec_and_the_core(file: Path) -> None:
    foreign = {
        name
        for name in imported(file)
        if name.partition(".")[0] not in sys.stdlib_module_names | {"msgspec"}
        and not name.startswith("nano_banana_lab.core")
    }

    assert foreign == set()


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(CORE)))
def test_a_core_module_reaches_for_nothing_outside_the_process(file: Path) -> None:
    assert {name.partition(".")[0] for name in imported(file)} & DOES_IO == set()


def test_the_core_was_found() -> None:
    assert len(FILES) > 20
