"""Shape checks, no silent broadcasting, and small classifiers for the tests of `neurallnet_jax`."""

import functools
from collections.abc import Callable, Iterator
from pathlib import Path
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

from neurallnet_jax import checkpoint, config, models, spec  # noqa: E402
from neurallnet_jax.baselines import applications, backend  # noqa: E402
from neurallnet_jax.evaluation import crossvalidation_folder as files  # noqa: E402
from neurallnet_jax.evaluation.crossvalidation_plan import Plan  # noqa: E402
from neurallnet_jax.images import splits  # noqa: E402
from neurallnet_jax.images.folder import Dataset, Record  # noqa: E402
from neurallnet_jax.network.model import Model  # noqa: E402
from neurallnet_jax.training.request import Request  # noqa: E402

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


def small_keras_model(size: tuple[int, int] = (9, 7), classes: int = 4, **dropout: Any) -> Any:
    """Return conv -> norm -> ReLU -> two branches that meet -> ReLU -> dropout -> mean -> dense, most of it unnamed."""
    keras = backend.load()
    layers = keras.layers
    with backend.broadcasting():
        image = keras.Input((*size, 3))
        x = layers.Rescaling(1 / 255)(image)
        x = layers.ZeroPadding2D(((0, 1), (1, 1)))(x)
        x = layers.Conv2D(6, 3, strides=2)(x)
        x = layers.BatchNormalization()(x)
        x = first = layers.Activation("relu", name="stem")(x)
        x = layers.Conv2D(6, 3, padding="same")(x)
        x = layers.Activation("relu")(x)
        x = layers.DepthwiseConv2D(3, padding="same", use_bias=False)(x)
        x = layers.Add()([x, first])
        x = layers.Activation("relu", name="top")(x)
        x = layers.GlobalAveragePooling2D()(x)
        if dropout:
            x = layers.Dropout(**dropout)(x)
        return keras.Model(image, layers.Dense(classes, name="predictions")(x))


@pytest.fixture(scope="session")
def model_of() -> Callable[..., Any]:
    """Return a function of size, classes and options of dropout: a new small model of Keras."""
    return small_keras_model


@pytest.fixture(scope="session")
def small_graphs() -> Callable[[spec.KerasNetwork], applications.Graph]:
    """Return a function of a network of Keras: a small graph of its size and classes, built once."""

    @functools.lru_cache
    def build(network: spec.KerasNetwork) -> applications.Graph:
        return applications.graph_of(small_keras_model(network.image_size, network.classes, rate=0.2))

    return build


@pytest.fixture
def small_keras(
    monkeypatch: pytest.MonkeyPatch, small_graphs: Callable[[spec.KerasNetwork], applications.Graph]
) -> None:
    """Let every network of Keras be a small one: what it goes through is the same, and takes seconds."""
    monkeypatch.setattr(applications, "build", small_graphs)


@pytest.fixture(scope="session")
def crossvalidated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a finished cross-validation of two splits, three folds and two seeds whose predictions are drawn.

    200 images of each of two classes; nothing is trained. Copy it before changing it.
    """
    out = tmp_path_factory.mktemp("folds") / "cv"
    records = tuple(
        Record(f"{name}/{number}.png", f"{label:032x}{number:032x}", label, number)
        for label, name in enumerate(("calm", "wild"))
        for number in range(1, 201)
    )
    dataset = Dataset(Path("smears"), ("calm", "wild"), records, np.zeros((400, 1, 1, 3), np.uint8))
    network = spec.neurallnet(2, widths=(4,), image_size=(8, 8), steps=2, attention=None)
    plan = Plan(
        Request("smears", network, config.Training(epochs=3)),
        schemes=("contiguous", "random"),
        folds=(0, 2, 4),
        seeds=(0, 1),
        margins=(4,),
    )
    groups = splits.groups(records, np.arange(400))
    begun = files.Begun(
        plan, "neurallnet crossvalidate --data smears", splits.digest(dataset), ("calm", "wild"), 400, 1
    )
    files.begin(out, begun, dataset, groups)
    for cell in plan.cells:
        request = plan.request_of(cell)
        split = splits.make_split(
            records, scheme=cell.arm.scheme, fold=cell.fold, seed=cell.seed, margin=request.margin
        )
        test = splits.indices(split, "test")
        rng = np.random.default_rng([cell.fold, cell.seed, len(cell.name)])
        right = rng.beta(4, 1 if cell.arm.scheme == "random" else 2, len(test))
        labels = dataset.labels[test]
        rows = np.stack([np.where(labels == k, right, 1 - right) for k in (0, 1)], axis=1)
        left = files.Outcome(
            paths=tuple(records[place].path for place in test.tolist()),
            probabilities=rows,
            seen=int(cell.arm.scheme == "random"),
            best_epoch=1 + cell.fold % 3,
            validation=0.9 + cell.seed / 100,
            colour=0.75 + cell.fold / 100,
        )
        files.finish(out, cell, left, ("calm", "wild"), [("calm", "wild")[label] for label in labels.tolist()], {})
    return out
