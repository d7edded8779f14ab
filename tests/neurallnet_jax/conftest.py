"""Shape checks, no silent broadcasting, and small classifiers for the tests of `neurallnet_jax`."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from jaxtyping import install_import_hook

# Before the first import of these modules, which are then checked at every call.
CHECKED = ("neurallnet_jax.network", "neurallnet_jax.training.losses")
install_import_hook(CHECKED, "beartype.beartype")

import jax  # noqa: E402
import numpy as np  # noqa: E402
from flax import traverse_util  # noqa: E402
from hypothesis import settings  # noqa: E402

from neurallnet_jax import checkpoint, models, spec  # noqa: E402
from neurallnet_jax.network.model import Model  # noqa: E402

# The first example of a test pays for compiling.
settings.register_profile("compiles", deadline=None)
settings.load_profile("compiles")


@pytest.fixture(scope="session", autouse=True)
def compiled_once(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Share what is compiled between tests, which train one and the same network again and again."""
    jax.config.update("jax_compilation_cache_dir", str(tmp_path_factory.mktemp("compiled")))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.1)


@pytest.fixture(scope="module", autouse=True)
def no_rank_promotion(request: pytest.FixtureRequest) -> Iterator[None]:
    """Refuse to broadcast arrays of different rank, such as (batch,) against (batch, 1).

    Workflows and commands hold `lava_port`, whose emulator broadcasts; only `neurallnet_jax` promises not to.
    """
    both = {"workflows", "cli"} & set(request.path.parts)
    with jax.numpy_rank_promotion("allow" if both else "raise"):
        yield


def draw_classifier(
    network: spec.Network, classes: tuple[str, ...], seed: int, preprocessing: checkpoint.Preprocessing
) -> models.Classifier:
    """Return a classifier so lively that most layers spike, most gates move and no statistic is at its start."""
    rng = np.random.default_rng(seed)
    inputs = jax.ShapeDtypeStruct((1, 1, *network.image_size, network.channels), np.float32)
    start: Any = jax.eval_shape(Model(network).init, jax.random.key(0), inputs)
    weights = {}
    leaves: dict[str, Any] = traverse_util.flatten_dict(start, sep="/")
    for name, leaf in leaves.items():
        kind, last = name.split("/")[0], name.split("/")[-1]
        if last in ("scale", "var"):
            drawn = rng.uniform(0.5, 1.5, leaf.shape)
        elif last.endswith("kernel"):
            drawn = rng.normal(0, 1.5 / np.sqrt(np.prod(leaf.shape[:-1])), leaf.shape)
        elif last in ("initial", "excite_bias"):
            drawn = rng.normal(0.5, 1.0, leaf.shape)
        else:
            drawn = rng.normal(0.2 if kind == "params" else 0, 0.3, leaf.shape)
        weights[name] = np.asarray(drawn, np.float32)
    return models.from_checkpoint(checkpoint.Checkpoint(network, weights, preprocessing, classes))


@pytest.fixture(scope="session")
def classifier_of() -> Callable[..., models.Classifier]:
    """Return a function of network, class names, seed and preprocessing."""

    def classifier(
        network: spec.Network,
        classes: tuple[str, ...],
        *,
        seed: int = 5,
        preprocessing: checkpoint.Preprocessing | None = None,
    ) -> models.Classifier:
        return draw_classifier(network, classes, seed, preprocessing or checkpoint.Preprocessing())

    return classifier
