import builtins
import hashlib
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from neurallnet_jax.images import tfds
from neurallnet_jax.images.classes import CLASSES
from neurallnet_jax.images.folder import open_folder
from neurallnet_jax.images.splits import indices, make_split

SIZE = (12, 10)


@pytest.fixture
def smears(tmp_path: Path) -> Path:
    random = np.random.default_rng(0)
    for name in ("Benign", "Early", "Pre", "Pro"):
        (tmp_path / "in" / name).mkdir(parents=True)
        for number in range(1, 11):
            image = random.integers(0, 256, (*SIZE, 3), np.uint8)
            Image.fromarray(image).save(tmp_path / "in" / name / f"x-{number:03}.png")
    return tmp_path / "in"


@pytest.mark.slow
def test_a_folder_is_prepared_and_served_without_tensorflow(smears: Path, tmp_path: Path):
    prepared = tfds.prepare(smears, tmp_path / "out", image_size=SIZE, scheme="random", seed=5)
    assert "tensorflow" not in sys.modules
    assert [path.name for path in (tmp_path / "out").rglob("*.array_record*")]
    assert prepared.info.features["label"].names == list(CLASSES)
    dataset = open_folder(smears, SIZE)
    split = make_split(dataset.records, scheme="random", seed=5)
    for part in ("train", "validation", "test"):
        served = {row["path"].decode(): row for row in prepared.as_data_source(split=part)}
        assert set(served) == {dataset.records[place].path for place in indices(split, part)}
        for place in indices(split, part):
            record = dataset.records[place]
            row = served[record.path]
            np.testing.assert_array_equal(row["image"], dataset.pixels[place])
            assert (row["label"], row["number"]) == (record.label, record.number)
            assert row["sha256"].decode() == hashlib.sha256((smears / record.path).read_bytes()).hexdigest()


@pytest.mark.slow
def test_everything_in_one_part_is_one_split(smears: Path, tmp_path: Path):
    prepared = tfds.prepare(smears, tmp_path / "out", image_size=SIZE, scheme="all")
    assert {name: info.num_examples for name, info in prepared.info.splits.items()} == {"train": 40}
    # A second builder finds what the first one wrote.
    again = tfds.builder(tmp_path / "out", image_size=SIZE, scheme="all")
    assert len(again.as_data_source(split="train")) == 40


@pytest.mark.slow
def test_a_bad_image_is_refused_by_name_in_one_line(smears: Path, tmp_path: Path):
    (smears / "Pre" / "x-004.png").write_bytes(b"")
    with pytest.raises(ValueError, match=r"Pre/x-004\.png: is empty \(0 bytes\)") as caught:
        tfds.prepare(smears, tmp_path / "out", image_size=SIZE, scheme="random")
    assert "\n" not in str(caught.value)


def test_where_it_is_not_installed_the_extra_is_named(tmp_path: Path, monkeypatch):
    real_import = builtins.__import__

    def without(name: str, *args, **options):
        if name.partition(".")[0] == "tensorflow_datasets":
            raise ImportError(f"No module named {name!r}", name=name)
        return real_import(name, *args, **options)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(
        ImportError, match=r"tensorflow_datasets cannot be imported; install it with pip install 'neural"
    ):
        tfds.builder(tmp_path, scheme="blocks", fold=4)
