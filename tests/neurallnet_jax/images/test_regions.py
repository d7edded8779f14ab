from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from neurallnet_jax.images import folder, morphology, regions, resize, synthetic

SIZE = (224, 224)
RED, BLACK = (225, 30, 35), (10, 10, 12)
BOX = (slice(206, 218), slice(192, 220))
"""Rows and columns of the drawn bars, panel included."""


@pytest.fixture(scope="module")
def scenes() -> list[synthetic.Scene]:
    return [synthetic.draw_scene(label, seed, SIZE) for label in range(4) for seed in range(6)]


@pytest.fixture(scope="module")
def smears(scenes: list[synthetic.Scene]) -> np.ndarray:
    return np.stack([scene.image for scene in scenes])


def with_bar(image: np.ndarray, colour: tuple[int, int, int], *, panel: bool) -> np.ndarray:
    """Return the image with two ticks and a label between them, drawn at four times the size."""
    picture = Image.fromarray(image).resize((896, 896), Image.Resampling.BICUBIC)
    draw = ImageDraw.Draw(picture)
    if panel:
        draw.rectangle((4 * 192, 4 * 206, 4 * 220 - 1, 4 * 218 - 1), fill=(255, 255, 255))
    for column in (195, 216):
        draw.line((4 * column, 4 * 211, 4 * column, 4 * 216), fill=colour, width=4)
    for column in range(200, 210, 2):
        draw.rectangle((4 * column, 4 * 209, 4 * column + 4, 4 * 214), outline=colour, width=2)
    return resize.by_area(np.asarray(picture), SIZE)


def overlap(found: np.ndarray, truth: np.ndarray) -> float:
    return float((found & truth).sum() / (found | truth).sum())


def test_the_background_of_drawn_smears_is_found(scenes, smears):
    """Intersection over union with where nothing was drawn: at least 0.9 on each smear."""
    found = regions.background(smears)
    ious = [overlap(mask, scene.background_mask) for mask, scene in zip(found, scenes, strict=True)]
    assert min(ious) >= 0.9
    assert np.mean(ious) >= 0.94


def test_the_stained_cells_of_drawn_smears_are_found(scenes, smears):
    """Smudges are drawn in the same dye and belong to no cell, so the union is larger than the drawn cells."""
    found = regions.cells(smears)
    assert np.mean([overlap(mask, scene.cells_mask) for mask, scene in zip(found, scenes, strict=True)]) >= 0.75
    nuclei = [
        (mask & scene.nuclei_mask).sum() / scene.nuclei_mask.sum() for mask, scene in zip(found, scenes, strict=True)
    ]
    assert np.mean(nuclei) >= 0.95
    reds = [
        (mask & ~scene.cells_mask & ~scene.background_mask).sum() / (~scene.cells_mask & ~scene.background_mask).sum()
        for mask, scene in zip(found, scenes, strict=True)
    ]
    assert np.median(reds) <= 0.05


@pytest.mark.parametrize("gain", [(1.0, 1.0, 1.0), (0.9, 0.97, 1.0), (1.0, 0.95, 0.85)])
def test_tint_and_brightness_of_the_light_hardly_move_the_background(smears, gain):
    tinted = np.rint(smears[::3] * np.array(gain)).astype(np.uint8)
    pairs = zip(regions.background(smears[::3]), regions.background(tinted), strict=True)
    assert min(overlap(before, after) for before, after in pairs) >= 0.95


@pytest.mark.parametrize(
    ("colour", "panel"), [(RED, False), (BLACK, True), (BLACK, False)], ids=["red", "panel", "bare"]
)
def test_a_drawn_scale_bar_is_found_and_painted_over(smears, colour, panel):
    for image in smears[::3]:
        marked = with_bar(image, colour, panel=panel)
        changed = (np.abs(marked.astype(int) - image).max(axis=-1) > 60)[BOX]
        mask = regions.scale_bar(marked[None])[0]
        assert mask[BOX][changed].all()
        assert mask.sum() <= 3 * changed.size
        painted = regions.mask_scale_bar(marked[None])[0]
        np.testing.assert_array_equal(painted[~mask], marked[~mask])
        inside = painted[mask].astype(int)
        assert not (inside[:, 0] - inside[:, 1:].max(axis=1) > 60).any()
        around = morphology.grown(mask, 2) & ~mask
        assert inside.min() >= int(marked[around].min()) - 1
        assert inside.max() <= int(marked[around].max()) + 1


def test_a_smear_without_a_bar_has_none(smears):
    assert not regions.scale_bar(smears).any()
    np.testing.assert_array_equal(regions.mask_scale_bar(smears), smears)


def test_red_cells_and_dark_nuclei_in_the_corner_are_no_bar():
    image = np.full((1, *SIZE, 3), 245, np.uint8)
    image[0, 195:222, 195:222] = (200, 120, 130)
    assert not regions.scale_bar(image).any()
    image[0, 195:222, 195:222] = (60, 50, 70)
    assert not regions.scale_bar(image).any()


def test_all_regions_together_are_those_one_by_one(smears):
    marked = np.stack([with_bar(image, BLACK, panel=True) for image in smears[::6]])
    found = regions.find(marked)
    np.testing.assert_array_equal(found.background, regions.background(marked))
    np.testing.assert_array_equal(found.scale_bar, regions.scale_bar(marked))
    np.testing.assert_array_equal(found.cells, regions.cells(marked))
    assert not (found.background & found.scale_bar).any()
    assert not (found.cells & found.scale_bar).any()


def test_a_neutral_background_has_one_colour_and_leaves_the_rest(smears):
    masks = regions.background(smears)
    fill = np.array([240.0, 238.0, 230.0])
    result = regions.neutralise_background(smears, fill)
    for image, filled, mask in zip(smears, result, masks, strict=True):
        inside = ~morphology.dilated(~mask)
        assert np.abs(filled[inside] - fill).max() <= 0.5
        outside = ~morphology.dilated(mask)
        np.testing.assert_array_equal(filled[outside], image[outside])


def test_an_evened_background_keeps_the_colour_of_its_own(smears):
    """Each image's mean colour stays; the spread inside its background goes."""
    result = regions.neutralise_background(smears)
    masks = regions.background(smears)
    before, after = regions.background_colours(smears, masks), regions.background_colours(result, masks)
    assert np.abs(before - after).max() <= 1.5
    for image, even, mask in zip(smears, result, masks, strict=True):
        assert even[mask].std(axis=0).max() < 0.8 * image[mask].std(axis=0).max()


def test_a_grey_image_has_the_brightness_it_had(smears):
    grey = regions.without_colour(smears)
    assert (grey == grey[..., :1]).all()
    expected = np.stack([np.asarray(Image.fromarray(image).convert("L")) for image in smears])
    assert np.abs(grey[..., 0].astype(int) - expected).max() <= 1
    np.testing.assert_array_equal(regions.without_colour(grey), grey)


def test_a_box_is_painted_with_what_surrounds_it():
    """By hand: a box of one pixel between 10 above, 20 below, 30 left and 40 right, all one pixel off: their mean, 25."""
    image = np.zeros((1, 16, 16, 3), np.uint8)
    image[0, 7, :], image[0, 9, :] = 10, 20
    image[0, 8, :8], image[0, 8, 9:] = 30, 40
    mask = np.zeros((1, 16, 16), bool)
    mask[0, 8, 8] = True
    assert regions.mask_scale_bar(image, masks=mask)[0, 8, 8].tolist() == [25, 25, 25]


def test_a_box_in_the_very_corner_is_painted_from_the_two_sides_it_has():
    image = np.full((1, 16, 16, 3), 90, np.uint8)
    mask = np.zeros((1, 16, 16), bool)
    mask[0, 10:, 12:] = True
    image[mask] = 0
    assert (regions.mask_scale_bar(image, masks=mask) == 90).all()


@settings(max_examples=30)
@given(pixels=st.integers(0, 2**32 - 1), height=st.integers(8, 40), width=st.integers(8, 40))
def test_any_pixels_give_masks_and_edits_of_the_same_shape(pixels, height, width):
    images = np.random.default_rng(pixels).integers(0, 256, (2, height, width, 3), dtype=np.uint8)
    images[1] = images[1, :1, :1]
    for mask in regions.find(images):
        assert mask.shape == images.shape[:3]
        assert mask.dtype == bool
    for edited in (
        regions.neutralise_background(images),
        regions.mask_scale_bar(images),
        regions.without_colour(images),
    ):
        assert edited.shape == images.shape
        assert edited.dtype == np.uint8


def test_other_arrays_are_refused():
    with pytest.raises(ValueError, match=r"pixels are float64 \(1, 8, 8, 3\); expected uint8"):
        regions.background(np.zeros((1, 8, 8, 3)))
    with pytest.raises(ValueError, match=r"pixels are uint8 \(8, 8, 3\)"):
        regions.find(np.zeros((8, 8, 3), np.uint8))


@pytest.fixture(scope="module")
def real(real_data: Path) -> folder.Dataset:
    return folder.open_folder(real_data / "taleqani", SIZE)


@pytest.mark.real
def test_on_real_smears_the_background_is_bright_even_and_a_good_part(real):
    for label in range(4):
        places = np.flatnonzero(real.labels == label)
        images = real.pixels[places[np.linspace(0, len(places) - 1, 25).astype(int)]]
        found = regions.find(images)
        assert found.background.mean(axis=(1, 2)).min() > 0.1
        assert found.background.mean(axis=(1, 2)).max() < 0.98
        for image, empty, stained in zip(images, found.background, found.cells, strict=True):
            grey = image.mean(axis=-1)
            assert grey[empty].mean() > grey[~empty].mean() + 15
            assert grey[empty].std() < grey.std()
            assert (empty & stained).mean() < 0.001
            if stained.any():
                green, blue = image[stained][:, 1].mean(), image[stained][:, 2].mean()
                assert green < blue


@pytest.mark.real
def test_on_real_smears_the_bar_is_found_in_all_but_few_and_nothing_of_it_is_left(real):
    images = np.asarray(real.pixels[::9])
    masks = regions.scale_bar(images)
    # Where label and ticks stand in all of them, seen on the images.
    assert masks[:, 210:215, 195:218].all(axis=(1, 2)).mean() >= 0.99
    assert masks.mean(axis=(1, 2)).max() < 0.035
    painted = regions.mask_scale_bar(images)
    assert regions.scale_bar(painted).any(axis=(1, 2)).mean() <= 0.02
    rows, columns = regions.bar_zone(*SIZE)
    outside = np.ones(SIZE, bool)
    outside[rows, columns] = False
    np.testing.assert_array_equal(painted[:, outside], images[:, outside])


@pytest.mark.real
def test_full_photographs_of_the_same_microscope_have_a_bar_and_most_of_another_laboratory_none(real_data):
    photographs = folder.open_files(sorted((real_data / "eshraghi-samples").glob("*.jpg")), SIZE)
    assert regions.scale_bar(photographs.pixels).any(axis=(1, 2)).all()
    others = folder.open_files(sorted((real_data / "bccd").rglob("*.jp*g"))[:60], SIZE)
    assert regions.scale_bar(others.pixels).any(axis=(1, 2)).mean() <= 0.35
