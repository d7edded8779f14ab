from pathlib import Path

import numpy as np
import pytest
import scipy.fft
import scipy.sparse
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from neurallnet_jax.images import twins
from neurallnet_jax.images.folder import open_folder
from neurallnet_jax.images.twins import Fingerprints, components, fingerprints, grey32, phash, twin_groups, twin_pairs


def fields(count: int, side: int = 64, seed: int = 0) -> np.ndarray:
    """Return smooth random images: noise of 9 x 9 pixels, enlarged."""
    small = np.random.default_rng(seed).integers(0, 256, (count, 9, 9, 3), np.uint8)
    return np.stack([np.asarray(Image.fromarray(image).resize((64, 64), Image.Resampling.BICUBIC)) for image in small])


@pytest.mark.parametrize("shape", [(32, 32), (64, 96), (50, 37), (20, 31)])
def test_thumbnails_are_means_over_areas(shape: tuple[int, int]):
    pixels = np.random.default_rng(1).integers(0, 256, (9, *shape, 3), np.uint8)
    luma = pixels @ np.array([0.299, 0.587, 0.114])
    # Every pixel as 32 x 32 equal parts, of which each thumbnail's pixel takes a rectangle.
    parts = np.kron(luma, np.ones((1, 32, 32)))
    expected = parts.reshape(9, 32, shape[0], 32, shape[1]).mean((2, 4))
    np.testing.assert_allclose(grey32(pixels), expected, atol=1e-3)


def test_hash_has_the_bits_of_a_separate_dct():
    pixels = fields(20)
    for image, found in zip(grey32(pixels), phash(pixels), strict=True):
        low = np.asarray(scipy.fft.dctn(image.astype(np.float64), type=2))[:8, :8].ravel()
        bits = [int(value > np.median(low)) for value in low]
        assert int(found) == sum(bit << place for place, bit in enumerate(bits))
        assert sum(bits) == 32


def test_hash_hardly_moves_with_size_brightness_and_noise():
    images = fields(12, 96)
    noisy = np.clip(images * 0.9 + 9 + np.random.default_rng(3).normal(0, 4, images.shape), 0, 255).astype(np.uint8)
    smaller = np.stack([np.asarray(Image.fromarray(image).resize((64, 64), Image.Resampling.BOX)) for image in images])
    for changed in (noisy, smaller):
        assert max(_distances(phash(images), phash(changed))) <= 4


@settings(deadline=None)
@given(st.lists(st.integers(0, 2**64 - 1), min_size=1, max_size=12), st.integers(0, 2**32 - 1))
def test_pairs_are_those_of_a_plain_double_loop(words: list[int], seed: int):
    random = np.random.default_rng(seed)
    # Some of the hashes are neighbours of others, by zero to six bits.
    near = [word ^ sum({1 << int(bit) for bit in random.integers(0, 64, random.integers(0, 7))}) for word in words]
    hashes = np.array(words + near, np.uint64)
    vectors = random.normal(size=(len(hashes), 1024))
    vectors = np.concatenate([vectors[: len(words)], vectors[: len(words)] + 0.33 * vectors[len(words) :]])
    vectors -= vectors.mean(1, keepdims=True)
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    pairs = twin_pairs(Fingerprints(hashes, vectors))
    expected = [
        (i, j, (int(hashes[i]) ^ int(hashes[j])).bit_count())
        for i in range(len(hashes))
        for j in range(i + 1, len(hashes))
        if (int(hashes[i]) ^ int(hashes[j])).bit_count() <= 4 and np.corrcoef(vectors[i], vectors[j])[0, 1] >= 0.95
    ]
    assert list(zip(*(column.tolist() for column in pairs[:3]), strict=True)) == expected


def test_both_criteria_have_to_hold_and_their_bounds_belong_to_them():
    word = 0x0123456789ABCDEF
    hashes = np.array([word, word ^ 0b1111, word ^ 0b11111], np.uint64)
    vector = np.zeros((3, 1024), np.float32)
    vector[:, 0] = 1
    pairs = twin_pairs(Fingerprints(hashes, vector))
    assert list(zip(pairs.first.tolist(), pairs.second.tolist(), pairs.distance.tolist(), strict=True)) == [
        (0, 1, 4),
        (1, 2, 1),
    ]
    for cosine, count in ((0.951, 1), (0.949, 0)):
        vector[1] = 0
        vector[1, :2] = cosine, np.sqrt(1 - cosine**2)
        assert len(twin_pairs(Fingerprints(hashes[:2], vector[:2])).first) == count


def test_pairs_between_two_sets_name_the_place_in_each():
    images = fields(9)
    pairs = twin_pairs(fingerprints(images[:5]), fingerprints(images[[8, 3, 7, 1]]))
    assert list(zip(pairs.first.tolist(), pairs.second.tolist(), strict=True)) == [(1, 3), (3, 1)]
    assert pairs.distance.tolist() == [0, 0]
    np.testing.assert_allclose(pairs.correlation, 1, atol=1e-5)


def test_pairs_do_not_depend_on_the_size_of_the_tables(monkeypatch):
    images = np.concatenate([fields(40), fields(40)[::-1]])
    whole = twin_pairs(fingerprints(images))
    monkeypatch.setattr(twins, "_TABLE", 1024)
    for mine, theirs in zip(twin_pairs(fingerprints(images)), whole, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-6)
    assert len(whole.first) == 40


def test_nothing_has_no_pairs():
    nothing = np.empty((0, 16, 16, 3), np.uint8)
    assert [len(column) for column in twin_pairs(fingerprints(nothing))] == [0, 0, 0, 0]
    assert twin_groups(nothing).shape == (0,)


def test_images_of_one_colour_are_twins_of_each_other_only():
    images = np.concatenate([np.full((2, 64, 64, 3), 200, np.uint8), fields(3)])
    assert twin_groups(images).tolist() == [0, 0, 1, 2, 3]
    assert phash(images[:2]).tolist() == [0, 0]


def test_groups_follow_chains_of_twins_and_count_from_the_first():
    images = fields(4)
    assert twin_groups(images[[2, 0, 1, 0, 2, 3]]).tolist() == [0, 1, 2, 1, 0, 3]


@settings(deadline=None)
@given(
    st.integers(1, 30).flatmap(
        lambda n: st.tuples(st.just(n), st.lists(st.lists(st.tuples(*[st.integers(0, n - 1)] * 2)), max_size=4))
    )
)
def test_components_are_those_of_scipy_in_order_of_appearance(graph: tuple[int, list[list[tuple[int, int]]]]):
    count, batches = graph
    edges = [edge for batch in batches for edge in batch]
    matrix = scipy.sparse.coo_matrix((np.ones(len(edges)), np.array(edges, int).reshape(-1, 2).T), shape=(count, count))
    _, expected = scipy.sparse.csgraph.connected_components(matrix, directed=False)
    order: dict[int, int] = {}
    arrays = [np.array(batch, int).reshape(-1, 2).T for batch in batches]
    found = components(count, [(first, second) for first, second in arrays])
    assert found.tolist() == [order.setdefault(int(label), len(order)) for label in expected]


def test_arrays_of_another_shape_are_refused():
    with pytest.raises(ValueError, match=r"pixels have shape \(3, 64, 64\); expected \(n, height, width, 3\)"):
        grey32(np.zeros((3, 64, 64), np.uint8))


@pytest.mark.real
def test_real_smears_have_the_twins_that_were_measured(real_data: Path):
    """Of the 40 exact and 89 near pairs of all 3,256 images, the 2,142 here hold 32 exact ones among 63."""
    dataset = open_folder(real_data / "taleqani", (64, 64))
    pairs = twin_pairs(fingerprints(dataset.pixels))
    records = [(dataset.records[i], dataset.records[j]) for i, j in zip(pairs.first, pairs.second, strict=True)]
    exact = [(first, second) for first, second in records if first.sha256 == second.sha256]
    assert len(exact) == len(dataset) - len({record.sha256 for record in dataset.records}) == 32
    assert {first.path.split("/")[0] for first, _ in exact} == {"Pro"}
    assert len(records) == 63
    assert all(first.label == second.label for first, second in records)
    assert max(abs(first.number - second.number) for first, second in records) == 11
    assert len(set(twin_groups(dataset.pixels).tolist())) == 2080


def _distances(first: np.ndarray, second: np.ndarray) -> list[int]:
    return [(int(a) ^ int(b)).bit_count() for a, b in zip(first, second, strict=True)]
