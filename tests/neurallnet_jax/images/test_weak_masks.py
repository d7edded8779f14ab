"""Weak masks: what is kept of a drawn segmentation, and of real ones."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from neurallnet_jax.images import decode, regions, weak_masks

PINK, BLACK = (255, 130, 180), (0, 0, 0)


def drawn() -> Image.Image:
    picture = Image.new("RGB", (224, 224), BLACK)
    pen = ImageDraw.Draw(picture)
    pen.ellipse((40, 40, 66, 66), fill=PINK)  # a blast, with a hole and a crack
    pen.ellipse((50, 50, 55, 55), fill=BLACK)
    pen.line((40, 60, 66, 60), fill=BLACK)
    pen.rectangle((150, 150, 157, 157), fill=PINK)  # a platelet of 8 pixels
    pen.line((100, 10, 180, 30), fill=PINK, width=2)  # a thread
    pen.ellipse((180, 60, 210, 90), outline=PINK)  # the rim of a red cell
    return picture


def test_a_cell_is_kept_whole_and_debris_is_dropped():
    picture = np.asarray(drawn())
    mask = weak_masks.clean(picture)
    cell = np.zeros((224, 224), bool)
    cell[40:67, 40:67] = True
    assert mask[53, 53]  # the hole
    assert mask[60, 50]  # the crack
    assert not (mask & ~cell).any()
    assert mask.sum() == pytest.approx(np.pi * 13.5**2, rel=0.06)


def test_faint_blocks_around_what_is_marked_are_not_marked():
    """JPEG leaves grey levels of up to 40 in the black around a cell."""
    faint = np.full((224, 224, 3), 40, np.uint8)
    assert not weak_masks.clean(faint).any()


@pytest.mark.parametrize("wrong", [np.zeros((224, 224), np.uint8), np.zeros((112, 112, 3), np.uint8)])
def test_another_size_is_refused(wrong):
    with pytest.raises(ValueError, match=r"expected uint8 \(224, 224, 3\)"):
        weak_masks.clean(wrong)


def test_segmentations_are_found_by_the_name_of_the_image(tmp_path: Path):
    (tmp_path / "Early").mkdir()
    drawn().save(tmp_path / "Early" / "one.png")
    found = weak_masks.find(tmp_path, ["Early/one.jpg", "Benign/two.jpg"])
    np.testing.assert_array_equal(found[0], weak_masks.clean(np.asarray(drawn())))
    assert found[1] is None
    with pytest.raises(ValueError, match="no segmentation named as one of the 1 images is, such as two"):
        weak_masks.find(tmp_path, ["two.jpg"])
    drawn().save(tmp_path / "one.png")
    with pytest.raises(ValueError, match="has the name of"):
        weak_masks.find(tmp_path, ["one.jpg"])
    with pytest.raises(ValueError, match="is no folder"):
        weak_masks.find(tmp_path / "nowhere", ["one.jpg"])


@pytest.mark.real
def test_real_masks_lie_on_stained_cells(real_data: Path):
    folder = real_data / "taleqani-segmented"
    if not folder.is_dir():
        pytest.skip(f"no segmentations at {folder}")
    files = sorted((real_data / "taleqani" / "Early").iterdir())[10::60]
    images = np.stack([decode.decode(file, (224, 224)) for file in files])
    cells = regions.cells(images)
    masks = weak_masks.find(folder, [file.name for file in files])
    overlaps = [
        (mask & cell).sum() / (mask | cell).sum() for mask, cell in zip(masks, cells, strict=True) if mask is not None
    ]
    assert len(overlaps) == len(files)
    # Two rules that know nothing of each other, one of hue and value, one of optical density.
    assert np.median(overlaps) > 0.7
