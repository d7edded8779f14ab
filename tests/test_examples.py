"""The scripts in `examples/`, run as they are with small counts."""

import importlib.util
import shutil
from pathlib import Path
from types import ModuleType

import pytest

from neurallnet_jax import checkpoint
from neurallnet_jax.images import synthetic

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"

needs_pretrained = pytest.mark.skipif(
    not (checkpoint._SHIPPED / checkpoint.FILE_NAME).is_file(),
    reason=f"neurallnet_jax/weights/{checkpoint.FILE_NAME} is not there yet",
)


def example(name: str) -> ModuleType:
    """Return a script, imported from its file; its command line is not read."""
    made = importlib.util.spec_from_file_location(f"example_{name}", EXAMPLES / f"{name}.py")
    assert made is not None
    assert made.loader is not None
    module = importlib.util.module_from_spec(made)
    made.loader.exec_module(module)
    return module


def test_every_example_is_tested_here_and_listed_for_users() -> None:
    here = Path(__file__).read_text(encoding="utf-8")
    listed = (EXAMPLES.parent / "docs" / "api.md").read_text(encoding="utf-8")
    names = {path.stem for path in EXAMPLES.glob("*.py")}
    assert names
    for name in names:
        assert f'example("{name}")' in here
        assert f"`{name}.py`" in listed


@pytest.mark.slow
def test_train_on_synthetic_smears(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    score = example("train_on_synthetic_smears").main(tmp_path / "out", count=12, epochs=1)
    assert 0 <= score <= 1
    saved = checkpoint.load(tmp_path / "out" / "run")
    assert capsys.readouterr().out == f"{len(saved.test)} test images, balanced accuracy {score:.3f}\n"


@pytest.mark.slow
@needs_pretrained
def test_convert_and_simulate(capsys: pytest.CaptureFixture[str]) -> None:
    spikes = example("convert_and_simulate").main()
    assert spikes > 0
    assert "synaptic operations per image" in capsys.readouterr().out


@pytest.mark.slow
@needs_pretrained
def test_classes_of_your_own(tmp_path: Path) -> None:
    size = checkpoint.load("pretrained").spec.image_size
    synthetic.write_folder(tmp_path / "drawn", count=10, seed=0, image_size=size)
    for drawn, own in (("Benign", "small"), ("Pro-B", "large")):
        shutil.copytree(tmp_path / "drawn" / drawn, tmp_path / "own" / own)
    classes = example("classes_of_your_own").main(tmp_path / "own", tmp_path / "run", epochs=1)
    assert classes == ("large", "small")
    made, source = checkpoint.load(tmp_path / "run"), checkpoint.load("pretrained")
    assert made.classes == classes
    assert set(source.seen) <= set(made.seen)
