import csv
import hashlib
import itertools
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from neurallnet_jax.images import classes, synthetic

SIZE = (64, 64)
PER_CLASS = 50


class Drawn(NamedTuple):
    scenes: list[synthetic.Scene]
    labels: np.ndarray


@pytest.fixture(scope="module")
def drawn() -> Drawn:
    labels = np.tile(np.arange(4), PER_CLASS)
    return Drawn([synthetic.draw_scene(int(label), 900 + i, SIZE) for i, label in enumerate(labels)], labels)


def balanced_accuracy(found: np.ndarray, labels: np.ndarray) -> float:
    return float(np.mean([np.mean(found[labels == label] == label) for label in range(4)]))


def nearest_neighbour(features: np.ndarray, labels: np.ndarray) -> float:
    """Return the leave-one-out balanced accuracy of the nearest neighbour, features scaled to unit variance."""
    features = (features - features.mean(0)) / features.std(0)
    distance = np.square(features[:, None] - features[None]).sum(-1)
    np.fill_diagonal(distance, np.inf)
    return balanced_accuracy(labels[distance.argmin(1)], labels)


def shape_features(nuclei: np.ndarray, cells: np.ndarray) -> tuple[float, float]:
    """Return the median area of a connected cell, and the share of the cells' area that is nucleus."""
    return float(np.median(part_sizes(cells))), float(nuclei.sum() / cells.sum())


def part_sizes(mask: np.ndarray) -> np.ndarray:
    """Return the pixels of each connected part, and 0 for none."""
    parts: np.ndarray = ndimage.label(mask)[0]  # pyright: ignore[reportIndexIssue]
    return np.bincount(parts.ravel())[1:] if parts.any() else np.zeros(1)


def threshold(values: np.ndarray) -> float:
    """Return the threshold of Otsu (1979), which separates two groups of values best."""
    levels = np.quantile(values, np.linspace(0.02, 0.98, 97))
    between = [np.mean(values > t) * np.mean(values <= t) * gap(values, t) ** 2 for t in levels[:-1]]
    return float(levels[int(np.argmax(between))])


def gap(values: np.ndarray, level: float) -> float:
    above = values > level
    return float(values[above].mean() - values[~above].mean()) if above.any() and not above.all() else 0.0


def segmented_nuclei(image: np.ndarray) -> np.ndarray:
    """Return what absorbs most red and green light, small specks left out: an independent look at the picture."""
    density = -np.log((image[..., :2].astype(float) + 1) / 256).sum(-1)
    return ndimage.binary_opening(density > threshold(density.ravel()), iterations=2)


def test_colour_statistics_hardly_give_the_class_away(drawn):
    """Mean, standard deviation and four percentiles per channel, as for real smears, where they reach above 0.9."""
    pixels = np.stack([scene.image for scene in drawn.scenes]).reshape(len(drawn.labels), -1, 3).astype(float)
    colour = np.concatenate(
        [pixels.mean(1), pixels.std(1), *(np.percentile(pixels, q, axis=1) for q in (10, 50, 75, 90))], axis=1
    )
    assert colour.shape[1] == 18
    assert nearest_neighbour(colour, drawn.labels) < 0.5


def test_the_shape_of_the_cells_gives_the_class_away(drawn):
    shape = np.array([shape_features(scene.nuclei_mask, scene.cells_mask) for scene in drawn.scenes])
    assert nearest_neighbour(shape, drawn.labels) > 0.85


def test_nuclei_can_be_found_in_the_picture_by_their_darkness(drawn):
    overlap = []
    for scene in drawn.scenes:
        found = segmented_nuclei(scene.image)
        overlap.append((found & scene.nuclei_mask).sum() / (found | scene.nuclei_mask).sum())
    assert np.median(overlap) > 0.75


def test_the_size_of_nuclei_measured_in_the_picture_ranks_the_classes(drawn):
    """Per image, the largest dark part; the medians of the classes climb in the order of the table."""
    largest = np.array([part_sizes(segmented_nuclei(scene.image)).max() for scene in drawn.scenes])
    medians = [np.median(largest[drawn.labels == label]) for label in range(4)]
    assert medians == sorted(medians)
    assert medians[3] > 1.5 * medians[0]


def test_light_and_dyes_do_not_depend_on_the_class(drawn):
    """The brightest tenth is plasma; class means agree within chance (F of four groups, 99.9 % point about 5.6)."""
    plasma = np.array([np.percentile(scene.image.reshape(-1, 3), 90, axis=0) for scene in drawn.scenes])
    groups = np.stack([plasma[drawn.labels == label] for label in range(4)])
    between = PER_CLASS * groups.mean(1).var(0, ddof=1)
    within = groups.var(1, ddof=1).mean(0)
    assert np.all(between / within < 5.6)
    assert np.all(plasma.std(0) > 8), "stain, lamp and white balance vary"


def test_nuclei_lie_within_cells_and_fill_the_share_the_table_says(drawn):
    for label, morphology in enumerate(synthetic.MORPHOLOGIES):
        scenes = [scene for scene, of in zip(drawn.scenes, drawn.labels, strict=True) if of == label]
        assert all(scene.nuclei_mask.any() for scene in scenes)
        assert not any((scene.nuclei_mask & ~scene.cells_mask).any() for scene in scenes)
        share = np.mean([scene.nuclei_mask.sum() / scene.cells_mask.sum() for scene in scenes])
        assert share == pytest.approx(morphology.nuclear_fraction[0], abs=0.05)


def test_nuclei_are_darker_than_cytoplasm_and_cytoplasm_is_darker_than_plasma(drawn):
    for scene in drawn.scenes:
        grey = scene.image.mean(-1)
        plasma = np.percentile(grey, 90)
        assert grey[scene.nuclei_mask].mean() < 0.85 * plasma
        rim = scene.cells_mask & ~scene.nuclei_mask
        assert grey[scene.nuclei_mask].mean() < grey[rim].mean() < plasma


def test_the_cytoplasm_of_large_blasts_is_blue(drawn):
    """One pixel away from nucleus and outline; blue dye takes the red light and leaves the blue."""
    for scene in [scene for scene, label in zip(drawn.scenes, drawn.labels, strict=True) if label == 3]:
        rim = ndimage.binary_erosion(scene.cells_mask & ~scene.nuclei_mask)
        passed = scene.image[rim].mean(0) / np.percentile(scene.image.reshape(-1, 3), 90, axis=0)
        assert passed[0] < 0.87
        assert passed[0] < passed[2] - 0.05


def test_numbers_of_cells_overlap_between_any_two_classes():
    for one, other in itertools.combinations(synthetic.MORPHOLOGIES, 2):
        assert sum(one.counts) == pytest.approx(1)
        assert sum(map(min, one.counts, other.counts)) > 0.2, f"{one.name} and {other.name}"


def test_along_the_table_cells_grow_and_chromatin_opens():
    table = synthetic.MORPHOLOGIES
    assert synthetic.CLASSES == classes.CLASSES == ("Benign", "Early Pre-B", "Pre-B", "Pro-B")
    for one, other in itertools.pairwise(table):
        assert one.diameter_um[0] < other.diameter_um[0]
        assert one.nuclear_fraction[0] > other.nuclear_fraction[0]
        assert one.clumping > other.clumping
        assert one.grain_um > other.grain_um
        assert one.nucleoli <= other.nucleoli


def test_label_and_seed_decide_the_picture_whatever_was_drawn_before():
    first = synthetic.draw(2, 5, SIZE)
    synthetic.draw(0, 6, (96, 96))
    np.testing.assert_array_equal(synthetic.draw(2, 5, SIZE), first)
    assert np.mean(synthetic.draw(2, 6, SIZE) != first) > 0.5
    assert np.mean(synthetic.draw(3, 5, SIZE) != first) > 0.5


@pytest.mark.parametrize("label", range(4))
def test_a_smaller_picture_shows_the_same_scene(label):
    large, small = (synthetic.draw_scene(label, 31, (extent, extent)) for extent in (192, 64))
    reduced = large.image.reshape(64, 3, 64, 3, 3).mean((1, 3))
    # Noise of the camera is drawn per pixel of the result; its standard deviation is at most 4.
    assert np.abs(reduced - small.image).mean() < 4
    assert np.mean(large.cells_mask[1::3, 1::3] != small.cells_mask) < 0.01


def test_a_wide_picture_shows_the_middle_of_the_field():
    square, wide = synthetic.draw_scene(3, 8, (64, 64)), synthetic.draw_scene(3, 8, (32, 64))
    assert wide.image.shape == (32, 64, 3)
    np.testing.assert_array_equal(wide.cells_mask, square.cells_mask[16:48])


@pytest.mark.parametrize("size", [(8, 8), (224, 224), (300, 280)])
def test_every_size_is_drawn(size):
    scene = synthetic.draw_scene(1, 0, size)
    assert scene.image.shape == (*size, 3)
    assert scene.image.dtype == np.uint8
    assert scene.nuclei_mask.shape == scene.cells_mask.shape == size
    assert scene.nuclei_mask.dtype == scene.cells_mask.dtype == bool


def test_a_larger_data_set_begins_with_a_smaller_one_and_two_seeds_share_nothing():
    images, labels = synthetic.dataset(2, 3, (16, 16))
    assert images.dtype == np.uint8
    assert labels.dtype == np.int32
    assert labels.tolist() == [0, 1, 2, 3, 0, 1, 2, 3]
    np.testing.assert_array_equal(synthetic.dataset(1, 3, (16, 16))[0], images[:4])
    other, _ = synthetic.dataset(2, 4, (16, 16))
    assert len({image.tobytes() for image in np.concatenate([images, other])}) == 16


def test_a_folder_holds_the_pictures_of_the_data_set_and_says_how_to_draw_them_again(tmp_path):
    root = tmp_path / "made" / "smears"
    seen = []
    total = synthetic.write_folder(
        root, count=2, seed=3, image_size=(24, 24), progress=lambda done, of: seen.append((done, of))
    )
    assert total == 8
    assert seen == [(done, 8) for done in range(1, 9)]
    assert sorted(path.name for path in root.iterdir()) == ["Benign", "Early Pre-B", "Pre-B", "Pro-B", "manifest.csv"]
    assert sorted(path.name for path in (root / "Pro-B").iterdir()) == ["smear-0001.png", "smear-0002.png"]
    assert [path.name for path in root.parent.iterdir()] == ["smears"], "nothing half-written is left"
    images, labels = synthetic.dataset(2, 3, (24, 24))
    with (root / "manifest.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    for row, image, label in zip(rows, images, labels, strict=True):
        assert row["label"] == synthetic.CLASSES[label]
        assert row["path"].startswith(row["label"] + "/")
        assert row["sha256"] == hashlib.sha256((root / row["path"]).read_bytes()).hexdigest()
        np.testing.assert_array_equal(np.asarray(Image.open(root / row["path"])), image)
        np.testing.assert_array_equal(synthetic.draw(int(label), int(row["seed"]), (24, 24)), image)


def test_an_empty_folder_is_filled_and_one_that_holds_something_is_refused_by_name(tmp_path):
    root = tmp_path / "smears"
    root.mkdir()
    assert synthetic.write_folder(root, count=1, seed=0, image_size=(8, 8)) == 4
    before = sorted(root.rglob("*"))
    with pytest.raises(ValueError, match=r"smears exists and is not an empty folder; choose another name"):
        synthetic.write_folder(root, count=1, seed=0, image_size=(8, 8))
    assert sorted(root.rglob("*")) == before
    with pytest.raises(ValueError, match=r"manifest\.csv exists and is not an empty folder"):
        synthetic.write_folder(root / "manifest.csv", count=1, seed=0, image_size=(8, 8))


def test_an_interrupted_folder_never_appears(tmp_path):
    def interrupt(done: int, total: int) -> None:
        assert not (tmp_path / "smears").exists()
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        synthetic.write_folder(tmp_path / "smears", count=1, seed=0, image_size=(8, 8), progress=interrupt)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_appears_by_renaming_alone(tmp_path, monkeypatch):
    def refuse(self: Path, target: Path) -> None:
        raise OSError(f"cannot rename {self} to {target}")

    monkeypatch.setattr(Path, "rename", refuse)
    with pytest.raises(OSError, match="cannot rename"):
        synthetic.write_folder(tmp_path / "smears", count=1, seed=0, image_size=(8, 8))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("label", "seed", "size", "message"),
    [
        (4, 0, SIZE, r"label is 4; expected 0\.\.3"),
        (-1, 0, SIZE, r"label is -1"),
        (0, -1, SIZE, r"seed is -1; expected an integer from 0"),
        (0, 0, (64, 7), r"image size is \(64, 7\); expected .* at least 8"),
    ],
)
def test_what_cannot_be_drawn_is_refused(label, seed, size, message):
    with pytest.raises(ValueError, match=message):
        synthetic.draw(label, seed, size)


def test_a_count_below_one_is_refused(tmp_path):
    with pytest.raises(ValueError, match="count per class is 0"):
        synthetic.dataset(0, 0, SIZE)
    with pytest.raises(ValueError, match="count is 0; expected at least 1 image per class"):
        synthetic.write_folder(tmp_path / "smears", count=0, seed=0, image_size=SIZE)


def test_drawing_needs_neither_jax_nor_scipy():
    code = (
        "import sys; from neurallnet_jax.images import synthetic; synthetic.draw(0, 0, (16, 16)); "
        "print([name for name in ('jax', 'scipy', 'cv2') if name in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_nothing_was_drawn_on_the_background_and_it_is_brighter_than_what_was(drawn):
    for scene in drawn.scenes[::5]:
        assert not (scene.background_mask & scene.cells_mask).any()
        assert 0.1 < scene.background_mask.mean() < 0.95
        grey = scene.image.mean(axis=-1)
        assert grey[scene.background_mask].mean() > grey[~scene.background_mask].mean()
