import jax
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurallnet_jax import checkpoint, models
from neurallnet_jax.explain import scoring

KEY = jax.random.key(0)


@given(count=st.integers(1, 60), size=st.integers(1, 20))
def test_batches_hold_every_number_once_and_are_filled_up_with_others(count, size):
    told = []
    found = list(scoring.batches(count, size, lambda done, total: told.append((done, total))))
    assert all(len(numbers) == size for numbers, _ in found)
    assert [number for numbers, new in found for number in numbers[:new].tolist()] == list(range(count))
    assert told[-1] == (count, count)
    assert [done for done, _ in told] == np.cumsum([new for _, new in found]).tolist()


def test_scores_are_those_of_a_prediction_also_behind_a_white_balance(classifier_of, spiking, image):
    balancing = classifier_of(spiking.spec, ("a", "b"), preprocessing=checkpoint.Preprocessing(white_level=200))
    prepared = models.prepare(image[None], 200)
    assert (prepared != image).any()
    whole = models.make_predict(balancing)(balancing.variables, image[None])
    found = scoring.logits(balancing)(balancing.variables, prepared.astype(np.float32), KEY)
    np.testing.assert_allclose(found, whole, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("score", scoring.SCORES)
def test_a_mask_shows_the_image_where_it_is_1_and_the_blank_where_it_is_0(linear, image, score):
    """Halves of an image whose score is a thousandth of the sum of all grey levels; class 0 scores 0."""
    classifier = linear(np.full(image.shape, 1e-3))
    empty = np.full(image.shape, 7, np.float32)
    masks = np.zeros((4, 8, 8), np.float32)
    masks[1], masks[2, :, :4], masks[3] = 1, 1, 0.5
    left, right, hole = image[:, :4].sum() / 1000, image[:, 4:].sum() / 1000, 7 * 192 / 1000
    wanted = np.array([hole, left + right, left + hole / 2, (left + right + hole) / 2])
    if score == "probability":
        wanted = 1 / (1 + np.exp(-wanted))
    found = scoring.masked_scores(classifier, score)({}, image, empty, masks, 1, KEY)
    np.testing.assert_allclose(found, wanted, rtol=1e-5)
