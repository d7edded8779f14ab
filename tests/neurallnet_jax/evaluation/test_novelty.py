import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neurallnet_jax.evaluation import novelty
from neurallnet_jax.images import quality
from neurallnet_jax.trust import Region


def smooth(rng: np.random.Generator, n: int, tint: tuple[float, float, float] = (1.0, 0.7, 0.9)) -> np.ndarray:
    """Images with detail in every octave, purple on white: noise of 4, 8 and 16 pixels with a little of its own."""
    field = np.zeros((n, 32, 32, 1))
    for size, share in ((4, 0.3), (8, 0.3), (16, 0.25), (32, 0.15)):
        coarse = rng.random((n, size, size, 1))
        field += share * coarse.repeat(32 // size, axis=1).repeat(32 // size, axis=2)
    return np.clip(255 * (1 - 0.8 * field * np.array(tint)), 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def fitted() -> tuple[Region, ...]:
    rng = np.random.default_rng(0)
    places = novelty.locate(novelty.statistics(smooth(rng, 400)))
    unseen = novelty.distances(places, novelty.statistics(smooth(rng, 300)))
    return novelty.regions(places, unseen, 0.03)


def warned(fitted: tuple[Region, ...], pixels: np.ndarray) -> np.ndarray:
    return novelty.excess(fitted, novelty.statistics(pixels)) > 1


def blurred(pixels: np.ndarray) -> np.ndarray:
    wide = np.pad(pixels.astype(np.float32), ((0, 0), (1, 1), (1, 1), (0, 0)), mode="edge")
    return (sum(wide[:, y : y + 32, x : x + 32] for y in range(3) for x in range(3)) / 9).astype(np.uint8)


def test_usual_images_are_rarely_warned_of(fitted):
    new = warned(fitted, smooth(np.random.default_rng(9), 400))
    assert new.any(axis=1).mean() <= 0.06


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        (blurred, "focus"),
        (lambda pixels: pixels[..., ::-1], "stain"),
        (lambda pixels: np.random.default_rng(1).integers(0, 256, pixels.shape, dtype=np.uint8), "structure"),
    ],
    ids=["blur", "channels exchanged", "noise"],
)
def test_what_is_unlike_is_warned_of_by_the_kind_that_names_its_reason(fitted, change, kind):
    pixels = change(smooth(np.random.default_rng(5), 40))
    column = [region.kind for region in fitted].index(kind)
    assert warned(fitted, pixels)[:, column].mean() > 0.9


def test_a_sharper_image_is_not_out_of_focus(fitted):
    noise = np.random.default_rng(1).integers(0, 256, (10, 32, 32, 3), dtype=np.uint8)
    column = [region.kind for region in fitted].index("focus")
    assert not warned(fitted, noise)[:, column].any()


def test_there_is_one_sentence_per_kind_beyond_its_threshold_with_its_numbers(fitted):
    pixels = blurred(smooth(np.random.default_rng(5), 8))[..., ::-1]
    values = novelty.statistics(pixels)
    said, beyond = novelty.sentences(fitted, values), novelty.excess(fitted, values) > 1
    assert [len(one) for one in said] == beyond.sum(axis=1).tolist()
    focus = next(region for region in fitted if region.kind == "focus")
    sentence = next(text for text in said[0] if "out of focus" in text)
    assert f"{100 * math.exp(-values['focus'][0, 0]):.0f} %" in sentence
    least = math.exp(-(focus.mean[0] + focus.threshold / focus.whitening[0][0]))
    assert f"at least {100 * least:.0f} %" in sentence


def test_the_distance_is_that_of_mahalanobis_where_no_variance_is_raised():
    rng = np.random.default_rng(0)
    known = rng.normal(size=(500, 3)) @ rng.normal(size=(3, 3)) + 5
    new = rng.normal(size=(20, 3))
    (found,) = novelty.distances(novelty.locate({"stain": known}), {"stain": new}).values()
    centred = new - known.mean(axis=0)
    inverse = np.linalg.inv(np.cov(known.T, bias=True))
    np.testing.assert_allclose(found, np.sqrt(np.einsum("ni,ij,nj->n", centred, inverse, centred)), rtol=1e-4)


def test_statistics_that_never_vary_make_no_distance_infinite():
    places = novelty.locate({"stain": np.tile([1.0, 2.0], (20, 1))})
    found = novelty.distances(places, {"stain": np.array([[1.0, 2.0], [1.5, 2.0]])})["stain"]
    assert found[0] == 0
    assert np.isfinite(found).all()
    assert found[1] > 1


@settings(max_examples=20, deadline=None)
@given(n=st.integers(150, 400), rate=st.sampled_from([0.02, 0.05, 0.1]), seed=st.integers(0, 2**31))
def test_exchangeable_images_are_warned_of_no_more_often_than_asked(n, rate, seed):
    """Mean over 200 draws of thresholds from n and 50 new distances; kinds are independent, the worst case of the bound."""
    rng = np.random.default_rng(seed)
    place = novelty.Place(np.zeros(1), np.ones((1, 1)))
    places = dict.fromkeys(novelty.KINDS, place)
    shares = []
    for _ in range(200):
        draws = {kind: rng.normal(size=n) for kind in places}
        thresholds = [region.threshold for region in novelty.regions(places, draws, rate)]
        shares.append((rng.normal(size=(50, 3)) > thresholds).any(axis=1).mean())
    assert np.mean(shares) <= novelty.bound(n, 3, rate) + 5 * np.std(shares) / np.sqrt(200)
    assert novelty.bound(n, 3, rate) <= rate + 1e-9


def test_too_few_unseen_images_take_the_farthest_and_the_bound_says_so():
    places = {"focus": novelty.Place(np.zeros(1), np.ones((1, 1)))}
    (region,) = novelty.regions(places, {"focus": np.array([3.0, 1.0, 2.0])}, 0.01)
    assert region.threshold == 3.0
    assert region.typical == pytest.approx(2.9)
    assert novelty.bound(3, 1, 0.01) == pytest.approx(1 / 4)
    assert novelty.bound(0, 1) == 1
    with pytest.raises(ValueError, match="no unseen image"):
        novelty.regions(places, {"focus": np.array([])}, 0.01)
    with pytest.raises(ValueError, match="share of false warnings is 1"):
        novelty.regions(places, {"focus": np.array([1.0])}, 1.0)


def test_regions_of_another_release_or_size_are_refused_by_name(fitted):
    values = novelty.statistics(smooth(np.random.default_rng(0), 1))
    with pytest.raises(ValueError, match="region 'smell' is unknown; this release knows structure, focus, stain"):
        novelty.excess([dataclasses.replace(fitted[0], kind="smell")], values)
    small = novelty.statistics(np.zeros((1, 16, 16, 3), np.uint8))
    structure = [region for region in fitted if region.kind == "structure"]
    with pytest.raises(ValueError, match="images of this size 9; calibrate again"):
        novelty.excess(structure, small)


def test_every_kind_has_statistics_of_its_own():
    pixels = smooth(np.random.default_rng(0), 2)
    assert {kind: table.shape for kind, table in novelty.statistics(pixels).items()} == {
        "structure": (2, quality.detail(pixels).shape[1] + 5),
        "focus": (2, 1),
        "stain": (2, 24),
    }
