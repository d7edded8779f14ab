"""Shape checks, no silent broadcasting, and small classifiers for the tests of `neurallnet_jax`."""

from collections.abc import Callable, Iterator

import pytest
from jaxtyping import install_import_hook

# Before the first import of these modules, which are then checked at every call.
CHECKED = ("neurallnet_jax.network", "neurallnet_jax.training.losses")
install_import_hook(CHECKED, "beartype.beartype")

import jax  # noqa: E402
import numpy as np  # noqa: E402
from hypothesis import settings  # noqa: E402

from neurallnet_jax import models  # noqa: E402

# The first example of a test pays for compiling.
settings.register_profile("compiles", deadline=None)
settings.load_profile("compiles")


@pytest.fixture(scope="module", autouse=True)
def no_rank_promotion() -> Iterator[None]:
    """Refuse to broadcast arrays of different rank, such as (batch,) against (batch, 1)."""
    with jax.numpy_rank_promotion("raise"):
        yield


def draw_weights(variables: models.Variables, seed: int) -> dict[str, np.ndarray]:
    """Return weights by name, lively enough that most layers spike, most gates move and no statistic is at rest."""
    rng = np.random.default_rng(seed)
    drawn = {}
    for name, start in models.to_weights(variables).items():
        kind, last = name.split("/")[0], name.split("/")[-1]
        if last in ("scale", "var"):
            drawn[name] = rng.uniform(0.5, 1.5, start.shape)
        elif last.endswith("kernel"):
            drawn[name] = rng.normal(0, 1.5 / np.sqrt(np.prod(start.shape[:-1])), start.shape)
        elif last in ("initial", "excite_bias"):
            drawn[name] = rng.normal(0.5, 1.0, start.shape)
        else:
            drawn[name] = rng.normal(0.2 if kind == "params" else 0, 0.3, start.shape)
    return {name: np.asarray(array, np.float32) for name, array in drawn.items()}


@pytest.fixture(scope="session")
def weights_like() -> Callable[[models.Variables, int], dict[str, np.ndarray]]:
    return draw_weights
