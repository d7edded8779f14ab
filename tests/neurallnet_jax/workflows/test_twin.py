"""The twin's activations against a correlation written out in SciPy; a checkpoint that is no twin is refused."""

import dataclasses

import numpy as np
import pytest
from scipy.signal import correlate2d

from lava_port import lower, passes, quantise
from lava_port.graph import FixedGraph
from neurallnet_jax import checkpoint, spec
from neurallnet_jax.workflows import twin

CLASSES = ("a", "b")
NETWORK = spec.Network(
    (
        spec.Conv(3),
        spec.Lif(),
        spec.Conv(5, stride=(2, 2)),
        spec.Lif(),
        spec.GlobalAverage(),
        spec.Dense(2),
        spec.Readout(),
    ),
    image_size=(8, 6),
    channels=2,
    steps=3,
)


@pytest.fixture(scope="module")
def weights() -> dict[str, np.ndarray]:
    generator = np.random.default_rng(0)
    shapes = lower.weight_shapes(NETWORK)
    return {name: generator.normal(0, 0.5, shape).astype(np.float32) for name, shape in shapes.items()}


@pytest.fixture(scope="module")
def graph(weights: dict[str, np.ndarray]) -> FixedGraph:
    lowered = lower.lower(NETWORK, weights, offset=(128,) * 2, scale=64.0, classes=CLASSES)
    return quantise.quantise(passes.fold(lowered))[0]


@pytest.fixture(scope="module")
def saved(weights: dict[str, np.ndarray]) -> checkpoint.Checkpoint:
    preprocessing = checkpoint.Preprocessing(offset=(128, 128), scale=64.0)
    return checkpoint.Checkpoint(spec.relu_twin(NETWORK), weights, preprocessing, CLASSES)


def rectified(x: np.ndarray, kernel: np.ndarray, bias: np.ndarray, stride: int) -> np.ndarray:
    """Return max(0, correlation + bias) of (height, width, channels), padded by 1, in float64."""
    outs = [
        sum(correlate2d(np.pad(x[..., i], 1), kernel[..., i, o], "valid") for i in range(x.shape[-1])) + bias[o]
        for o in range(kernel.shape[-1])
    ]
    return np.maximum(0, np.stack(outs, axis=-1)[::stride, ::stride])


def met(mask: np.ndarray, outputs: int, stride: int) -> int:
    """Count output positions that every nonzero input reaches through 3 x 3 taps, by walking over them."""
    height, width, _ = mask.shape
    total = 0
    for y in range((height - 1) // stride + 1):
        for x in range((width - 1) // stride + 1):
            top, left = y * stride - 1, x * stride - 1
            total += int(mask[max(top, 0) : top + 3, max(left, 0) : left + 3].sum())
    return total * outputs


def test_the_twin_counts_the_weights_that_activations_other_than_zero_meet(graph, saved, weights):
    images = np.random.default_rng(1).integers(0, 256, (5, 8, 6, 2)).astype(np.uint8)
    found = twin.measure(graph, saved, images, source="RUN")
    first, second = [], []
    for image in images:
        hidden = rectified((image.astype(float) - 128) / 64, weights["params/conv_1/kernel"], np.zeros(3), 1)
        last = rectified(hidden, weights["params/conv_2/kernel"], np.zeros(5), 2)
        first.append(hidden > 0)
        second.append(last > 0)
    assert found.macs["conv_2"].tolist() == [met(mask, 5, 2) for mask in first]
    assert found.macs["dense_1"].tolist() == [int(mask.sum()) * 2 for mask in second]
    assert found.nonzero["conv_2"] == pytest.approx(np.mean(first))
    assert 0 < found.nonzero["conv_2"] < 1
    assert found.source == "RUN"


def test_batches_make_no_difference(graph, saved, monkeypatch):
    images = np.random.default_rng(2).integers(0, 256, (7, 8, 6, 2)).astype(np.uint8)
    whole = twin.measure(graph, saved, images, source="RUN")
    monkeypatch.setattr(twin, "BATCH", 3)
    parts = twin.measure(graph, saved, images, source="RUN")
    for name, macs in whole.macs.items():
        assert parts.macs[name].tolist() == macs.tolist()
        assert parts.nonzero[name] == pytest.approx(whole.nonzero[name])


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"spec": NETWORK}, "is a spiking network, no ReLU twin; train a twin"),
        ({"classes": ("a", "c")}, "knows the classes a, c, not a, b"),
        ({"spec": spec.relu_twin(dataclasses.replace(NETWORK, image_size=(8, 8)))}, "its rectifiers have the shapes"),
        ({"spec": dataclasses.replace(spec.relu_twin(NETWORK), steps=3)}, "runs 3 steps, a ReLU twin runs one"),
    ],
)
def test_a_checkpoint_that_is_no_twin_is_refused(graph, saved, changes, words):
    images = np.zeros((1, 8, 6, 2), np.uint8)
    with pytest.raises(ValueError, match=f"^RUN: {words}"):
        twin.measure(graph, dataclasses.replace(saved, **changes), images, source="RUN")


def test_a_kernel_of_another_size_is_refused(graph, saved):
    layers = list(saved.spec.layers)
    layers[0] = spec.Conv(3, kernel=(1, 1), padding=((0, 0), (0, 0)))
    other = dataclasses.replace(saved, spec=dataclasses.replace(saved.spec, layers=tuple(layers)))
    with pytest.raises(ValueError, match="RUN: kernel, stride and groups before 'conv_1' are"):
        twin.measure(graph, other, np.zeros((1, 8, 6, 2), np.uint8), source="RUN")
