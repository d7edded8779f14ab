"""The shape of the project: a test file per module, a docstring per public name, versions that agree."""

import ast
import importlib
import inspect
import re
import typing
from pathlib import Path

import pytest

import neurallnet_jax

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("neurallnet_jax", "lava_port")
MODULES = sorted(
    path.relative_to(ROOT)
    for package in PACKAGES
    for path in (ROOT / package).rglob("*.py")
    if path.name != "__init__.py"
)
THIN_COMMANDS = ROOT / "neurallnet_jax" / "cli"
"""Commands and their tables are tested together, over `COMMANDS`, in test_main.py and test_commands.py."""
LAVA_SIDE = ("lava_port/runtime/worker.py", "lava_port/runtime/processes")
"""Importing these means importing Lava, which stays in the worker's process; they are read, not imported."""


def of_lava(module: Path) -> bool:
    return module.as_posix().startswith(LAVA_SIDE)


@pytest.mark.parametrize("module", [module for module in MODULES if ROOT / module.parent != THIN_COMMANDS], ids=str)
def test_every_module_has_a_test_file(module: Path) -> None:
    assert (ROOT / "tests" / module.parent / f"test_{module.name}").is_file()


@pytest.mark.parametrize("module", MODULES, ids=str)
def test_every_module_says_what_it_holds(module: Path) -> None:
    tree = ast.parse((ROOT / module).read_text(encoding="utf-8"))
    assert ast.get_docstring(tree)
    names = {
        name.id
        for node in tree.body
        if isinstance(node, ast.Assign)
        for name in node.targets
        if isinstance(name, ast.Name)
    }
    assert "__all__" in names


@pytest.mark.parametrize("module", [module for module in MODULES if not of_lava(module)], ids=str)
def test_every_public_name_has_a_docstring(module: Path) -> None:
    loaded = importlib.import_module(".".join(module.with_suffix("").parts))
    for name in loaded.__all__:
        value = getattr(loaded, name)
        # Python 3.10 takes an alias such as Callable[[int], int] for a class.
        alias = typing.get_origin(value) is not None
        if not alias and (inspect.isclass(value) or inspect.isfunction(value)):
            assert inspect.getdoc(value), f"{module}: {name} has no docstring"


def test_citation_and_package_carry_the_same_version() -> None:
    cited = re.search(r"^version: (.+)$", (ROOT / "CITATION.cff").read_text(encoding="utf-8"), re.MULTILINE)
    assert cited is not None
    assert cited[1] == neurallnet_jax.__version__


def test_no_file_holds_an_address_of_a_package_index_or_a_path_of_one_machine() -> None:
    suspicious = re.compile(r"--index-url|--extra-index-url|--find-links|(?<![\w.])/(?:home|root|Users)/\w")
    for path in (*ROOT.glob("*.*"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "neurallnet_jax").rglob("*.py")):
        if path.is_file() and path.suffix in {".md", ".toml", ".txt", ".cff", ".py"}:
            assert not suspicious.search(path.read_text(encoding="utf-8")), path


def test_pip_and_uv_get_the_same_versions() -> None:
    pins = [line for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines() if line]
    settings = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    block = re.search(r"constraint-dependencies = \[\n(.*?)\n\]\n", settings, re.DOTALL)
    assert block is not None
    assert [ast.literal_eval(line.strip().rstrip(",")) for line in block[1].splitlines()] == pins


def test_pins_hold_no_address() -> None:
    assert not re.search(r"://|file:|^-", (ROOT / "constraints.txt").read_text(encoding="utf-8"), re.MULTILINE)
