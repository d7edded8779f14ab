import csv
import dataclasses
import hashlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from neurallnet_jax.images import folder as folder_module
from neurallnet_jax.images.classes import CLASSES
from neurallnet_jax.images.folder import UNLABELLED, Record, list_folder, open_files, open_folder

SIZE = (8, 6)


def picture(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (*SIZE, 3), np.uint8)


def draw(path: Path, seed: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(picture(seed)).save(path, "PNG")
    return path


@pytest.fixture
def smears(tmp_path: Path) -> Path:
    root = tmp_path / "smears"
    for place, name in enumerate(["Pro/p-7.png", "Pro/p-3.png", "Benign/x-10.PNG", "Benign/x-9.png", "Early/e.png"]):
        draw(root / name, place)
    return root


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def test_records_pixels_labels_and_hashes_belong_together(smears: Path, cache: Path):
    dataset = open_folder(smears, SIZE, cache=cache)
    sha256 = {path: hashlib.sha256((smears / path).read_bytes()).hexdigest() for path in _paths(dataset)}
    assert dataset.classes == ("Benign", "Early Pre-B", "Pro-B")
    assert dataset.records == (
        Record("Benign/x-10.PNG", sha256["Benign/x-10.PNG"], 0, 10),
        Record("Benign/x-9.png", sha256["Benign/x-9.png"], 0, 9),
        Record("Early/e.png", sha256["Early/e.png"], 1, 1),
        Record("Pro/p-3.png", sha256["Pro/p-3.png"], 2, 3),
        Record("Pro/p-7.png", sha256["Pro/p-7.png"], 2, 7),
    )
    np.testing.assert_array_equal(dataset.pixels, np.stack([picture(seed) for seed in (2, 3, 4, 1, 0)]))
    assert dataset.labels.tolist() == [0, 0, 1, 2, 2]
    assert dataset.labels.dtype == np.int32
    assert len(dataset) == 5
    assert dataset.bad == ()


def test_a_second_opening_decodes_nothing(smears: Path, cache: Path, monkeypatch):
    first = open_folder(smears, SIZE, cache=cache)
    monkeypatch.setattr(folder_module, "decode_bytes", None)
    second = open_folder(smears, SIZE, cache=cache)
    assert second.records == first.records
    np.testing.assert_array_equal(second.pixels, first.pixels)


def test_changed_bytes_are_decoded_again(smears: Path, cache: Path):
    before = open_folder(smears, SIZE, cache=cache)
    draw(smears / "Early" / "e.png", 99)
    after = open_folder(smears, SIZE, cache=cache)
    np.testing.assert_array_equal(after.pixels[2], picture(99))
    assert after.records[2].sha256 != before.records[2].sha256


def test_a_moved_folder_is_the_same_to_the_cache(smears: Path, cache: Path, monkeypatch):
    open_folder(smears, SIZE, cache=cache)
    moved = smears.rename(smears.with_name("moved"))
    monkeypatch.setattr(folder_module, "decode_bytes", None)
    assert len(open_folder(moved, SIZE, cache=cache)) == 5


def test_a_model_gives_the_labels(smears: Path, cache: Path):
    dataset = open_folder(smears, SIZE, classes=CLASSES, cache=cache)
    assert dataset.classes == CLASSES
    assert dataset.labels.tolist() == [0, 0, 1, 3, 3]


def test_numbers_are_places_where_names_do_not_tell_them_apart(tmp_path: Path, cache: Path):
    for name in ("a/1_x1.png", "a/2_x1.png", "b/one.png", "b/x2.png", "c/5.png", "c/05b6.png"):
        draw(tmp_path / "d" / name)
    found = [(record.path, record.number) for record in open_folder(tmp_path / "d", SIZE, cache=cache).records]
    assert found == [
        ("a/1_x1.png", 1),
        ("a/2_x1.png", 2),
        ("b/one.png", 1),
        ("b/x2.png", 2),
        ("c/05b6.png", 6),
        ("c/5.png", 5),
    ]


def test_a_bad_image_does_not_shift_the_numbers_of_the_others(tmp_path: Path, cache: Path):
    for name in ("one", "two", "three"):
        draw(tmp_path / "d" / "a" / f"{name}.png")
    (tmp_path / "d" / "a" / "three.png").write_bytes(b"")
    dataset = open_folder(tmp_path / "d", SIZE, on_bad_image="skip", cache=cache)
    assert [(record.path, record.number) for record in dataset.records] == [("a/one.png", 1), ("a/two.png", 3)]


@pytest.fixture
def with_bad(smears: Path) -> Path:
    data = (smears / "Early" / "e.png").read_bytes()
    (smears / "Early" / "cut.png").write_bytes(data[: len(data) // 2])
    (smears / "Benign" / "empty.png").write_bytes(b"")
    (smears / "Benign" / "notes.pdf").write_bytes(b"%PDF-1.4")
    (smears / "Pro" / "deeper").mkdir()
    (smears / "Pro" / "beyond.png").symlink_to(draw(smears.parent / "elsewhere.png"))
    draw(smears / "loose.png")
    return smears


def test_bad_images_are_skipped_by_name_with_the_reason_for_each(with_bad: Path, cache: Path):
    for _ in range(2):  # the second time from the cache
        dataset = open_folder(with_bad, SIZE, on_bad_image="skip", cache=cache)
        assert len(dataset) == 5
        reasons = {image.path: image.error for image in dataset.bad}
        assert list(reasons) == sorted(reasons)
        for path, reason in {
            "Benign/empty.png": "is empty (0 bytes)",
            "Benign/notes.pdf": "has no image's ending",
            "Early/cut.png": "is a damaged image",
            "Pro/beyond.png": "is a link to",
            "Pro/deeper": "is a folder inside a class folder",
            "loose.png": "lies beside the class folders",
        }.items():
            assert reasons.pop(path).startswith(f"{path}: {reason}")
        assert reasons == {}
        np.testing.assert_array_equal(dataset.pixels, np.stack([picture(seed) for seed in (2, 3, 4, 1, 0)]))


def test_bad_images_fail_with_one_line_that_counts_them(with_bad: Path, cache: Path):
    with pytest.raises(
        ValueError, match=r"smears: Benign/empty\.png: is empty .* \(and 5 more bad files\); "
    ) as caught:
        open_folder(with_bad, SIZE, cache=cache)
    assert "\n" not in str(caught.value)
    assert str(caught.value).endswith("--on-bad-image skip leaves such files out")


def test_a_folder_of_bad_images_is_refused_even_where_they_are_skipped(tmp_path: Path, cache: Path):
    (tmp_path / "d" / "Benign").mkdir(parents=True)
    (tmp_path / "d" / "Benign" / "1.png").write_bytes(b"no")
    with pytest.raises(ValueError, match="no image of the folder is readable"):
        open_folder(tmp_path / "d", SIZE, on_bad_image="skip", cache=cache)


def test_side_files_and_hidden_files_are_passed_over(smears: Path, cache: Path):
    for name in ("manifest.csv", "Benign/README.md", "Benign/Thumbs.db", "Benign/.DS_Store", "Pro/._p-7.png", ".x.png"):
        (smears / name).write_bytes(b"x")
    dataset = open_folder(smears, SIZE, cache=cache)
    assert (len(dataset), dataset.bad) == (5, ())


def test_an_empty_class_folder_is_refused_by_name(smears: Path, cache: Path):
    (smears / "Pre").mkdir()
    (smears / "Pre" / "notes.txt").write_text("later")
    with pytest.raises(ValueError, match=r"Pre: is a class folder without images; fill it or remove it"):
        open_folder(smears, SIZE, cache=cache)


def test_a_class_folder_that_links_out_is_refused(smears: Path, cache: Path):
    draw(smears.parent / "other" / "1.png")
    (smears / "Pre").symlink_to(smears.parent / "other", target_is_directory=True)
    with pytest.raises(ValueError, match=r"Pre: is a link out of .*smears; copy the folder instead"):
        open_folder(smears, SIZE, cache=cache)


def test_a_name_that_is_no_text_is_a_bad_image(smears: Path, cache: Path):
    path = smears / "Pro" / "p-\udcff8.png"
    try:
        draw(path)
    except OSError:
        pytest.skip("this file system takes no such name")
    dataset = open_folder(smears, SIZE, on_bad_image="skip", cache=cache)
    assert [image.error for image in dataset.bad] == [
        r"Pro/p-\udcff8.png: has a name that is not valid UTF-8; rename it"
    ]


def test_a_file_that_changes_between_hashing_and_decoding_is_refused(smears: Path, cache: Path, monkeypatch):
    real, calls = folder_module.read_bytes, []

    def read(path: Path, **options) -> bytes:
        calls.append(path)
        return real(path, **options) + (b"" if calls.count(path) == 1 else b"x")

    monkeypatch.setattr(folder_module, "read_bytes", read)
    with pytest.raises(ValueError, match="changed while it was read; run again"):
        open_folder(smears, SIZE, cache=cache)


def test_progress_is_told(smears: Path, cache: Path):
    seen: list[tuple[int, int]] = []
    open_folder(smears, SIZE, cache=cache, progress=lambda done, count: seen.append((done, count)))
    assert seen == [(done, 5) for done in range(1, 6)]


def test_data_sets_are_frozen(smears: Path, cache: Path):
    dataset = open_folder(smears, SIZE, cache=cache)
    with pytest.raises(dataclasses.FrozenInstanceError):
        dataset.records = ()  # pyright: ignore[reportAttributeAccessIssue]
    with pytest.raises(ValueError, match="read-only"):
        dataset.pixels[0] = 0


def test_single_files_keep_their_order_and_bad_ones_are_listed(tmp_path: Path):
    second, first = draw(tmp_path / "b.png", 1), draw(tmp_path / "a.png", 2)
    files = open_files([second, tmp_path / "none.png", first], SIZE)
    assert files.paths == (str(second), str(first))
    assert files.sha256 == tuple(hashlib.sha256(path.read_bytes()).hexdigest() for path in (second, first))
    np.testing.assert_array_equal(files.pixels, np.stack([picture(1), picture(2)]))
    assert [image.path for image in files.bad] == [str(tmp_path / "none.png")]
    with pytest.raises(ValueError, match=r"none\.png: does not exist"):
        open_files([second, tmp_path / "none.png"], SIZE, on_bad_image="fail")


def test_no_readable_file_gives_no_rows(tmp_path: Path):
    assert open_files([tmp_path / "none.png"], SIZE).pixels.shape == (0, *SIZE, 3)


def test_images_are_read_without_jax():
    rooms = "decode, cache, classes, folder, splits, twins, tfds"
    code = f"import sys; from neurallnet_jax.images import {rooms}; print(sorted(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert "'neurallnet_jax.images.twins'" in loaded
    assert "'jax'" not in loaded
    assert "'tensorflow_datasets'" not in loaded


@pytest.mark.real
def test_the_real_folder_agrees_with_its_manifest(real_data: Path):
    dataset = open_folder(real_data / "taleqani", (64, 64))
    with (real_data / "taleqani" / "manifest.csv").open() as file:
        rows = [(row["path"], row["sha256"], int(row["number"])) for row in csv.DictReader(file)]
    assert sorted((record.path, record.sha256, record.number) for record in dataset.records) == sorted(rows)
    assert dataset.classes == CLASSES
    assert np.bincount(dataset.labels).tolist() == [302, 673, 651, 516]


def _paths(dataset) -> list[str]:
    return [record.path for record in dataset.records]


def test_a_listing_has_the_records_of_an_opened_folder_and_no_pixels(tmp_path: Path):
    for name, value in (("Benign/a 2", 9), ("Benign/a 1", 8), ("Pro/b", 7)):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.new("RGB", (4, 4), (value,) * 3).save(tmp_path / f"{name}.png")
    listed, opened = list_folder(tmp_path), open_folder(tmp_path, (4, 4))
    assert (listed.records, listed.classes) == (opened.records, opened.classes)
    assert listed.pixels.shape == (3, 0, 0, 3)


def test_a_folder_of_images_alone_is_listed_as_one_class(tmp_path: Path):
    Image.new("RGB", (4, 4)).save(tmp_path / "x_3.png")
    listed = list_folder(tmp_path)
    assert listed.classes == (UNLABELLED,)
    assert [(record.path, record.label, record.number) for record in listed.records] == [("x_3.png", 0, 3)]
    (tmp_path / "x_3.png").unlink()
    with pytest.raises(ValueError, match="holds no image; name a folder"):
        list_folder(tmp_path)
