import dataclasses
from collections.abc import Iterable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from neurallnet_jax.config import Training
from neurallnet_jax.training import optimiser

SETTINGS = Training(epochs=10, learning_rate=0.5, warmup_epochs=2)


def rates(settings: Training, steps_per_epoch: int, steps: Iterable[int]) -> list[float]:
    """Return the learning rate at some steps."""
    schedule: Any = optimiser.schedule(settings, steps_per_epoch)
    return [float(schedule(step)) for step in steps]


def test_the_schedule_warms_up_in_a_line_and_falls_in_a_cosine_to_a_hundredth():
    """10 epochs of 5 steps: 0 at step 0, half the peak at 5, the peak at 10, half way down at 30, 1 % at 50."""
    assert rates(SETTINGS, 5, (0, 5, 10)) == pytest.approx([0, 0.25, 0.5])
    assert rates(SETTINGS, 5, (30, 50, 500)) == pytest.approx([(0.5 + 0.005) / 2, 0.005, 0.005])
    falling = rates(SETTINGS, 5, range(10, 51))
    assert falling == sorted(falling, reverse=True)


def test_without_warm_up_the_schedule_begins_at_its_peak():
    assert rates(dataclasses.replace(SETTINGS, warmup_epochs=0), 5, (0,)) == pytest.approx([0.5])


@pytest.mark.parametrize("epochs", [1, 2])
def test_a_run_shorter_than_its_warm_up_still_has_a_schedule(epochs):
    short = dataclasses.replace(SETTINGS, epochs=epochs, warmup_epochs=50)
    assert all(0 <= rate <= 0.5 for rate in rates(short, 1, range(4)))
    assert rates(short, 1, (epochs,)) == pytest.approx([0.005])


def one_update(settings: Training, params: dict, gradient: dict) -> Any:
    transform = optimiser.make(settings, 5)
    updates, _ = transform.update(gradient, transform.init(params), params)
    return updates


def test_only_kernels_decay():
    """Without a gradient an update is - learning rate x decay x weight for kernels, and nothing else moves."""
    settings = dataclasses.replace(SETTINGS, warmup_epochs=0, weight_decay=0.1)
    params = {
        "conv_1": {"kernel": jnp.ones((1, 1, 2, 2)), "bias": jnp.ones(2)},
        "norm_1": {"scale": jnp.ones(2), "bias": jnp.ones(2)},
        "gate_1": {"reduce_kernel": jnp.ones((2, 2)), "initial": jnp.ones(2)},
        "lif_1": {"dv": jnp.ones(())},
    }
    updates = one_update(settings, params, jax.tree.map(jnp.zeros_like, params))
    for layer, own in updates.items():
        for name, update in own.items():
            expected = -0.5 * 0.1 if "kernel" in name else 0
            np.testing.assert_allclose(update, expected, rtol=1e-6, err_msg=f"{layer}/{name}")


def test_the_first_update_has_the_size_of_the_learning_rate():
    """Adam's first step is the sign of the gradient, whatever its size; Kingma and Ba (2015), arXiv:1412.6980."""
    settings = dataclasses.replace(SETTINGS, warmup_epochs=0, weight_decay=0)
    updates = one_update(settings, {"w": jnp.zeros(3)}, {"w": jnp.array([3.0, -0.2, 0.0])})
    np.testing.assert_allclose(updates["w"], [-0.5, 0.5, 0], rtol=1e-4)


def test_the_gradient_is_clipped_by_its_global_norm():
    """A gradient of norm 50 enters Adam with norm 1, one of norm 1/2 as it is: seen in the first moments (b1 = 0.9)."""
    transform = optimiser.make(dataclasses.replace(SETTINGS, clip_norm=1.0), 5)
    params = {"a": jnp.zeros(1), "b": jnp.zeros(1)}
    for scale, expected in ((10.0, [0.6, 0.8]), (0.1, [0.3, 0.4])):
        gradient = {"a": jnp.array([3.0 * scale]), "b": jnp.array([4.0 * scale])}
        _, state = transform.update(gradient, transform.init(params), params)
        moments = next(
            leaf for leaf in jax.tree.leaves(state, is_leaf=lambda x: hasattr(x, "mu")) if hasattr(leaf, "mu")
        )
        found = [float(moments.mu["a"][0]), float(moments.mu["b"][0])]
        np.testing.assert_allclose(found, 0.1 * np.array(expected), rtol=1e-5)
