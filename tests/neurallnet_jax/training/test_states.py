import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from neurallnet_jax import checkpoint, models
from neurallnet_jax.training import loop
from neurallnet_jax.training.states import StateStore


@pytest.fixture(scope="module")
def begun(network, training) -> tuple[loop.TrainState, loop.Best]:
    classifier = models.create(network, ("a", "b"), preprocessing=checkpoint.Preprocessing(), key=jax.random.key(0))
    return loop.begin(classifier, training, 4)


def moved(begun: tuple[loop.TrainState, loop.Best], step: int) -> tuple[loop.TrainState, loop.Best]:
    """Return a state whose every number differs from the first one's."""
    rng = np.random.default_rng(step)
    draw = lambda leaf: jnp.asarray(rng.normal(size=leaf.shape) * 9, leaf.dtype)
    state, best = jax.tree.map(draw, begun[0]), begun[1]
    best = loop.Best(7, 1 / 3 + step * 1e-12, 0.1 + step, jax.tree.map(draw, best.variables))
    return state._replace(step=jnp.array(step, jnp.int32)), best


def test_the_last_state_comes_back_bit_for_bit(begun, tmp_path):
    for step in (3, 8):
        with StateStore(tmp_path) as store:
            store.save(*moved(begun, step))
    with StateStore(tmp_path) as store:
        assert store.latest == 8
        state, best = store.restore(begun)
    expected_state, expected_best = moved(begun, 8)
    chex.assert_trees_all_equal(state, expected_state)
    chex.assert_trees_all_equal_dtypes(state, expected_state)
    assert (best.epoch, best.score, best.loss) == expected_best[:3]
    chex.assert_trees_all_equal(best.variables, expected_best.variables)


def test_a_state_being_saved_is_not_touched_by_the_next_step(begun, tmp_path):
    state, best = moved(begun, 1)
    expected = jax.tree.map(np.array, state)
    consume = jax.jit(lambda state: jax.tree.map(lambda leaf: leaf * 0, state), donate_argnums=0)
    with StateStore(tmp_path) as store:
        store.save(state, best)
        jax.block_until_ready(consume(state))
    with StateStore(tmp_path) as store:
        chex.assert_trees_all_equal(store.restore(begun)[0], expected)


def test_two_states_are_kept_and_a_step_is_saved_once(begun, tmp_path):
    with StateStore(tmp_path) as store:
        for step in (1, 2, 3, 3):
            store.save(*moved(begun, step))
    assert sorted(entry.name for entry in tmp_path.iterdir() if entry.name.isdigit()) == ["2", "3"]


def test_an_empty_store_has_no_state(begun, tmp_path):
    with StateStore(tmp_path) as store:
        assert store.latest is None
        with pytest.raises(ValueError, match="holds no finished state; train without --resume"):
            store.restore(begun)


def test_a_state_of_another_network_is_refused(begun, tmp_path):
    state, best = moved(begun, 1)
    with StateStore(tmp_path) as store:
        store.save(state, best)
    bigger = state._replace(params={**state.params, "conv_9": {"kernel": jnp.zeros((3, 3))}})
    with StateStore(tmp_path) as store, pytest.raises(ValueError, match="does not fit this network or is damaged"):
        store.restore((bigger, best))


def test_a_damaged_state_is_refused(begun, tmp_path):
    with StateStore(tmp_path) as store:
        store.save(*moved(begun, 1))
    for path in (tmp_path / "1").rglob("*"):
        if path.is_file() and path.stat().st_size > 200:
            path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with StateStore(tmp_path) as store, pytest.raises(ValueError, match="does not fit this network or is damaged"):
        store.restore(begun)
