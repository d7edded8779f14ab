import dataclasses
from collections.abc import Callable, Iterator
from typing import Any, get_args

import chex
import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from neurallnet_jax import checkpoint, config, models, spec
from neurallnet_jax.network import model, neurons
from neurallnet_jax.network.model import Model, Signal, run_layer

CLASSES = ("a", "b", "c")
PREPROCESSING = checkpoint.Preprocessing(offset=(120, 130, 110), scale=64.0)
HEAD = (spec.GlobalAverage(), spec.Dense(3), spec.Readout())
BLOCK = (spec.Conv(6, stride=(2, 2)), spec.BatchNorm())
LATER = (spec.Conv(5, stride=(2, 2)), spec.BatchNorm())
GATE, LATE = spec.SqueezeExcite(min_hidden=2), spec.SqueezeExcite(min_hidden=2, delay=2)
LIF = spec.Lif()
GROUPED = spec.Conv(6, kernel=(1, 3), stride=(1, 2), padding=((0, 0), (1, 1)), groups=3, bias=True)

NETWORKS = {
    "gated": (*BLOCK, GATE, LIF, *LATER, GATE, LIF, *HEAD),
    "delayed": (*BLOCK, LATE, LIF, *LATER, LATE, LIF, *HEAD),
    "pooled": (spec.Conv(6), spec.AveragePool(2), spec.BatchNorm(), GATE, LIF, spec.Conv(4, bias=True), LIF, *HEAD),
    "slow": (*BLOCK, spec.Lif(du=0.4, dv=0.1, learn_decay=True), *LATER, spec.Lif(du=0.7, dv=0.3), *HEAD),
    "grouped": (GROUPED, spec.Lif(reset="soft"), spec.Conv(4, stride=(3, 2)), LIF, *HEAD),
    "dilated": (
        spec.Conv(4, dilation=(2, 2), padding=((2, 2), (2, 2))),
        spec.AveragePool(2),
        spec.BatchNorm(),
        LIF,
        spec.Conv(4, kernel=(3, 2), stride=(2, 1), groups=2, dilation=(1, 3)),
        LIF,
        *HEAD,
    ),
    "stem": (spec.Conv(6, kernel=(8, 8), stride=(4, 4), padding=((2, 2), (2, 2))), spec.BatchNorm(), LIF, *HEAD),
    "hidden": (*BLOCK, LIF, spec.Dense(7), spec.BatchNorm(), LATE, LIF, spec.Dense(3, bias=False), spec.Readout()),
    "constant": (*BLOCK, spec.StaticGate(), LIF, *LATER, LIF, *HEAD),
    "rectified": (*BLOCK, GATE, spec.Relu(), *LATER, spec.Relu(), *HEAD),
}


class Spikes(nn.Module):
    """The same network, asked for the spikes of every layer instead of its scores."""

    spec: spec.Network

    @nn.compact
    def __call__(self, inputs: jax.Array) -> dict[str, jax.Array]:
        signal, spikes = Signal(inputs, jnp.zeros(inputs.shape[-1])), {}
        for name, layer in spec.named_layers(self.spec):
            signal = run_layer(layer, signal, name=name, steps=self.spec.steps, train=False)
            if isinstance(layer, spec.Lif):
                spikes[name] = signal.value
        return spikes


def small(layers: tuple[spec.LayerSpec, ...], steps: int = 4) -> spec.Network:
    network = spec.Network(layers, image_size=(8, 8), steps=steps)
    spec.validate(network)
    return network


def images(count: int = 2, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, 8, 8, 3)).astype(np.float32)


@pytest.fixture(scope="module")
def drawn(classifier_of: Callable[..., models.Classifier]) -> Callable[..., models.Classifier]:
    """Return a function that gives a kind of `NETWORKS`, or layers, with weights drawn from a seed."""

    def classifier(kind: str | tuple[spec.LayerSpec, ...], steps: int = 4) -> models.Classifier:
        network = small(NETWORKS[kind] if isinstance(kind, str) else kind, steps)
        return classifier_of(network, CLASSES, preprocessing=PREPROCESSING)

    return classifier


# --- The same network in plain NumPy: float64, one step after the other, one output position after the other -----------


def convolve(x: np.ndarray, kernel: np.ndarray, layer: spec.Conv) -> np.ndarray:
    x = np.pad(x, ((0, 0), *layer.padding, (0, 0)))
    (rows, columns), (down, right) = layer.kernel, layer.stride
    lower, further = layer.dilation
    tall, wide = lower * (rows - 1) + 1, further * (columns - 1) + 1
    height, width = (x.shape[1] - tall) // down + 1, (x.shape[2] - wide) // right + 1
    fan_in, features = x.shape[-1] // layer.groups, layer.features // layer.groups
    out = np.zeros((len(x), height, width, layer.features))
    for n, y, i, group in np.ndindex(len(x), height, width, layer.groups):
        patch = x[n, y * down : y * down + tall : lower, i * right : i * right + wide : further]
        patch = patch[..., group * fan_in : (group + 1) * fan_in]
        for f in range(group * features, (group + 1) * features):
            out[n, y, i, f] = (patch * kernel[..., f]).sum()
    return out


def simulate(network: spec.Network, weights: dict[str, np.ndarray], pixels: np.ndarray) -> tuple[Any, ...]:
    """Return the logits, the spikes by layer, and the least distance of any membrane from its threshold."""
    u, v, means, spikes = {}, {}, {}, {}
    logits, margin = 0.0, np.inf
    for t in range(network.steps):
        value = (pixels.astype(np.float64) - PREPROCESSING.offset) / PREPROCESSING.scale
        bias, gate = 0.0, 1.0
        for name, layer in spec.named_layers(network):
            own: dict[str, Any] = {
                key.split("/")[-1]: np.float64(array) for key, array in weights.items() if f"/{name}/" in key
            }
            match layer:
                case spec.Conv():
                    value, bias = convolve(value, own["kernel"], layer), own.get("bias", 0.0)
                case spec.Dense():
                    value, bias = value.reshape(len(value), -1) @ own["kernel"], own.get("bias", 0.0)
                case spec.BatchNorm():
                    factor = own["scale"] / np.sqrt(own["var"] + layer.epsilon)
                    value, bias = value * factor, (bias - own["mean"]) * factor + own["bias"]
                case spec.AveragePool():
                    value = (value[:, ::2, ::2] + value[:, 1::2, ::2] + value[:, ::2, 1::2] + value[:, 1::2, 1::2]) / 4
                case spec.GlobalAverage():
                    value = value.reshape(len(value), -1, value.shape[-1]).mean(axis=1)
                case spec.SqueezeExcite():
                    mean = value.reshape(len(value), -1, value.shape[-1]).mean(axis=1) + bias
                    means.setdefault(name, []).append(mean)
                    if t < layer.delay:
                        x = np.broadcast_to(own["initial"], mean.shape)
                    else:
                        mean = means[name][t - layer.delay]
                        hidden = np.maximum(0, mean @ own["reduce_kernel"] + own["reduce_bias"])
                        x = hidden @ own["excite_kernel"] + own["excite_bias"]
                    gate = np.clip(x / 6 + 0.5, 0, 1).reshape(len(value), *[1] * (value.ndim - 2), -1)
                case spec.StaticGate():
                    gate = np.clip(own["gate"] / 6 + 0.5, 0, 1)
                case spec.Lif():
                    du, dv = layer.du, layer.dv
                    if layer.learn_decay:
                        dv = 1 / (1 + np.exp(-own["dv"]))
                        du = 1 / (1 + np.exp(-own["du"])) if layer.du < 1 else du
                    u[name] = (1 - du) * u.get(name, 0.0) + gate * value
                    v[name] = (1 - dv) * v.get(name, 0.0) + u[name] + gate * bias
                    value = (v[name] > layer.v_threshold).astype(float)
                    margin = min(margin, np.abs(v[name] - layer.v_threshold).min())
                    v[name] = v[name] * (1 - value) if layer.reset == "hard" else v[name] - layer.v_threshold * value
                    spikes.setdefault(name, []).append(value)
                    bias, gate = 0.0, 1.0
                case spec.Relu():
                    value, bias, gate = np.maximum(0, gate * (value + bias)), 0.0, 1.0
                case spec.Readout():
                    logits = logits + (value + bias) / network.steps
    return logits, {name: np.stack(each) for name, each in spikes.items()}, margin


@pytest.mark.parametrize("kind", sorted(NETWORKS))
def test_a_whole_network_is_that_of_plain_numpy(kind, drawn):
    classifier = drawn(kind)
    network, weights = classifier.spec, models.to_weights(classifier.variables)
    pixels = images()
    logits, spikes, margin = simulate(network, weights, pixels)
    assert margin > 1e-5, "a membrane within rounding of its threshold may fall either way; draw other weights"

    found = jax.jit(classifier.apply)(classifier.variables, pixels, jax.random.key(0))
    inputs = (pixels[None] - np.array(PREPROCESSING.offset, np.float32)) / np.float32(PREPROCESSING.scale)
    found_spikes = jax.jit(Spikes(network).apply)(classifier.variables, inputs)

    np.testing.assert_allclose(found.logits, logits, rtol=1e-4, atol=1e-5)
    assert set(found_spikes) == set(found.rates) == set(spikes)
    for name, expected in spikes.items():
        np.testing.assert_array_equal(found_spikes[name], expected, err_msg=name)
        assert found.rates[name] == pytest.approx(expected.mean(), abs=1e-6)
        assert 0 < expected.mean() < 1, f"{name} must be neither silent nor saturated to show anything"


@pytest.mark.parametrize("kind", get_args(spec.LayerSpec), ids=lambda kind: kind.__name__)
def test_every_layer_runs(kind, drawn):
    layers = next(layers for layers in NETWORKS.values() if any(isinstance(layer, kind) for layer in layers))
    classifier = drawn(layers)
    output = jax.jit(classifier.apply)(classifier.variables, images(), jax.random.key(0))
    chex.assert_shape(output.logits, (2, 3))
    chex.assert_tree_all_finite(output.logits)


def test_an_unknown_layer_is_refused_by_name():
    @dataclasses.dataclass
    class Gru:
        units: int = 3

    with pytest.raises(TypeError, match=r"layer 'gru_1': the model has no rule for Gru.*network/model\.py"):
        run_layer(Gru(), Signal(jnp.zeros(1), jnp.zeros(1)), name="gru_1", steps=1, train=False)
    with pytest.raises(TypeError, match="Gru is no layer"):
        list(spec.named_layers(spec.Network((Gru(), spec.Readout()))))  # pyright: ignore[reportArgumentType]


def test_the_shipped_topology_has_the_size_of_the_paper():
    network = config.preset("neurallnet").network
    count = sum(
        leaf.size
        for leaf in jax.tree.leaves(
            jax.eval_shape(Model(network).init, jax.random.key(0), jnp.zeros((1, 1, *network.image_size, 3)))["params"]
        )
    )
    assert 300_000 <= count <= 350_000


# --- Batch norm --------------------------------------------------------------------------------------------------------


def test_batch_norm_trains_with_the_batch_and_remembers_a_moving_average(drawn):
    """With momentum 0.9 the running statistics become 0.9 old + 0.1 of the batch, here over batch and space."""
    classifier = drawn((spec.Conv(4), spec.BatchNorm(momentum=0.9), spec.Relu(), *HEAD), steps=1)
    weights = models.to_weights(classifier.variables)
    pixels = images(3)
    _, stats = jax.jit(classifier.train)(classifier.variables, pixels, jax.random.key(0))
    inputs = (pixels.astype(np.float64) - PREPROCESSING.offset) / PREPROCESSING.scale
    current = convolve(inputs, weights["params/conv_1/kernel"], spec.Conv(4)).reshape(-1, 4)
    for key, of_batch in (("mean", current.mean(axis=0)), ("var", current.var(axis=0))):
        expected = 0.9 * weights[f"batch_stats/norm_1/{key}"] + 0.1 * of_batch
        np.testing.assert_allclose(stats["norm_1"][key], expected, rtol=1e-4, atol=1e-5)


def test_a_trained_batch_is_normalised_to_the_learned_scale_and_shift():
    """Each of the 3 channels has mean `bias` and deviation `scale` over time and batch."""
    norm = model._BatchNorm(spec.BatchNorm())
    x = jax.random.normal(jax.random.key(0), (2, 5, 3)) * 3 + 1
    variables = norm.init(jax.random.key(0), x, train=False)
    variables = {**variables, "params": {"scale": jnp.array([1.0, 2.0, -3.0]), "bias": jnp.array([0.0, 5.0, 1.0])}}
    (scale, shift), _ = norm.apply(variables, x, train=True, mutable=["batch_stats"])
    y = np.asarray(x * scale[None, None] + shift[None, None]).reshape(-1, 3)
    np.testing.assert_allclose(y.mean(axis=0), [0, 5, 1], atol=1e-5)
    np.testing.assert_allclose(y.std(axis=0), [1, 2, 3], rtol=1e-4)


def test_at_rest_an_image_is_scored_alike_whatever_stands_beside_it(drawn):
    classifier = drawn("delayed")
    apply = jax.jit(classifier.apply)
    alone = apply(classifier.variables, images()[:1], jax.random.key(0)).logits
    beside = apply(classifier.variables, images(), jax.random.key(0)).logits[:1]
    chex.assert_trees_all_close(alone, beside, atol=1e-5)


# --- Shape of the computation ------------------------------------------------------------------------------------------


def equations(jaxpr: Any, loop: bool = False) -> Iterator[tuple[Any, bool]]:
    """Yield every equation, nested ones included, and whether it stands inside a loop."""
    for equation in jaxpr.eqns:
        yield equation, loop
        inside = loop or equation.primitive.name in ("scan", "while")
        for value in equation.params.values():
            for part in value if isinstance(value, tuple | list) else (value,):
                part = getattr(part, "jaxpr", part)
                if hasattr(part, "eqns"):
                    yield from equations(part, inside)


def convolutions(function: Callable[..., Any], *arguments: Any) -> list[tuple[Any, bool]]:
    found = equations(jax.make_jaxpr(function)(*arguments).jaxpr)
    return [(equation, loop) for equation, loop in found if equation.primitive.name == "conv_general_dilated"]


def test_the_walk_through_nested_equations_finds_a_convolution_in_a_loop():
    def looped(x: jax.Array) -> jax.Array:
        kernel = jnp.ones((1, 1, 1, 1))
        step = lambda x, _: (jax.lax.conv_general_dilated(x, kernel, (1, 1), "VALID"), None)
        return jax.lax.scan(step, x, None, length=2)[0]

    assert [loop for _, loop in convolutions(jax.jit(looped), jnp.ones((1, 1, 2, 2)))] == [True]


@pytest.mark.parametrize("kind", ["delayed", "pooled"])
def test_no_convolution_stands_inside_a_loop(kind, drawn):
    classifier = drawn(kind)
    pixels, key = jnp.asarray(images()), jax.random.key(0)
    layers = sum(isinstance(layer, spec.Conv) for layer in classifier.spec.layers)

    def loss(params: Any) -> jax.Array:
        variables = {**classifier.variables, "params": params}
        return classifier.train(variables, pixels, key)[0].logits.sum()

    forward = convolutions(classifier.apply, classifier.variables, pixels, key)
    backward = convolutions(jax.grad(loss), classifier.variables["params"])
    assert len(forward) == layers
    assert len(backward) > layers
    assert not any(loop for _, loop in [*forward, *backward])


def test_the_analogue_image_is_convolved_once_and_spikes_once_per_step(drawn):
    classifier = drawn("gated", steps=4)
    found = convolutions(classifier.apply, classifier.variables, jnp.asarray(images()), jax.random.key(0))
    assert [equation.invars[0].aval.shape[0] for equation, _ in found] == [2, 4 * 2]


def initial(*layers: spec.LayerSpec) -> dict[str, np.ndarray]:
    network = small(layers)
    return models.to_weights(
        models.create(network, CLASSES, preprocessing=PREPROCESSING, key=jax.random.key(0)).variables
    )


def test_learned_decays_begin_where_the_spec_says():
    weights = initial(spec.Dense(3), spec.Lif(du=0.25, dv=0.5, learn_decay=True), spec.Dense(3), spec.Readout())
    assert 1 / (1 + np.exp(-weights["params/lif_1/du"])) == pytest.approx(0.25)
    assert 1 / (1 + np.exp(-weights["params/lif_1/dv"])) == pytest.approx(0.5)


def test_a_decay_that_is_not_learned_is_no_weight_and_du_of_one_stays_one():
    tail = (spec.Dense(3), spec.Readout())
    assert not [name for name in initial(spec.Dense(2), LIF, *tail) if "/lif_" in name]
    learned = initial(spec.Dense(2), spec.Lif(learn_decay=True), *tail)
    assert [name for name in learned if "/lif_" in name] == ["params/lif_1/dv"]


def test_gradients_reach_every_weight(drawn):
    """The learned gate before the first statistics included."""
    classifier = drawn("delayed")

    def loss(params: Any) -> jax.Array:
        output, _ = classifier.train({**classifier.variables, "params": params}, images(), jax.random.key(0))
        return jnp.square(output.logits).sum()

    for name, gradient in models.to_weights(jax.jit(jax.grad(loss))(classifier.variables["params"])).items():
        assert np.isfinite(gradient).all(), name
        assert np.abs(gradient).max() > 0, name


def test_the_model_spikes_with_the_surrogate_its_spec_names(monkeypatch):
    asked = []
    original = neurons.lif
    monkeypatch.setattr(neurons, "lif", lambda *args, **options: asked.append(options) or original(*args, **options))
    network = small((*BLOCK, spec.Lif(surrogate="triangle", v_threshold=0.5, reset="soft"), *HEAD))
    jax.eval_shape(Model(network).init, jax.random.key(0), jnp.zeros((1, 1, 8, 8, 3)))
    assert asked[0]["spike"] is model.surrogate.triangle
    assert (asked[0]["v_threshold"], asked[0]["reset"]) == (0.5, "soft")


# --- Controls of ablations


@pytest.mark.parametrize("neuron", [LIF, spec.Relu()], ids=["spiking", "rectified"])
def test_a_gate_of_one_equals_no_gate_bit_for_bit_in_scores_and_gradients(drawn, neuron):
    plain = drawn((*BLOCK, neuron, *LATER, neuron, *HEAD))
    one = spec.StaticGate(learned=False)
    gated = drawn((*BLOCK, one, neuron, *LATER, one, neuron, *HEAD))
    chex.assert_trees_all_equal(plain.variables, gated.variables)

    def loss(classifier: models.Classifier) -> Any:
        def of(params: Any) -> Any:
            variables = {**classifier.variables, "params": params}
            output, stats = classifier.train(variables, images(4), jax.random.key(0))
            return jnp.square(output.logits).sum(), (output, stats)

        return jax.jit(jax.value_and_grad(of, has_aux=True))(classifier.variables["params"])

    chex.assert_trees_all_equal(loss(plain), loss(gated))


def shuffling(drawn: Any, over: Any, seed: int = 0) -> np.ndarray:
    late = dataclasses.replace(LATE, shuffle=over)
    classifier = drawn((*BLOCK, late, LIF, *LATER, late, LIF, *HEAD))
    return np.asarray(jax.jit(classifier.apply)(classifier.variables, images(6), jax.random.key(seed)).logits)


@pytest.mark.parametrize("over", ["images", "channels"])
def test_shuffled_gates_change_scores_with_the_same_weights_and_repeat_with_their_key(drawn, over):
    own, shuffled = shuffling(drawn, "none"), shuffling(drawn, over)
    assert (own != shuffled).any()
    np.testing.assert_array_equal(shuffled, shuffling(drawn, over))
    assert (shuffled != shuffling(drawn, over, seed=1)).any()


def test_gates_of_an_equal_image_are_as_good_as_its_own(drawn):
    """Six times the same image: whose gates it gets makes no difference."""
    late = dataclasses.replace(LATE, shuffle="images")
    mixed, own = (drawn((*BLOCK, gate, LIF, *LATER, gate, LIF, *HEAD)) for gate in (late, LATE))
    pixels = np.repeat(images(1), 6, axis=0)
    found, expected = (jax.jit(one.apply)(one.variables, pixels, jax.random.key(0)).logits for one in (mixed, own))
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("layer", "blocks"),
    [
        (spec.Conv(5, kernel=(8, 8), stride=(4, 4), padding=((2, 2), (2, 2))), (4, 2)),
        (spec.Conv(5, kernel=(5, 5), stride=(5, 5), padding=((3, 3), (3, 3))), (5, 1)),
        (spec.Conv(5, kernel=(7, 7), stride=(4, 4), padding=((2, 2), (2, 2))), None),
        (spec.Conv(5, kernel=(8, 8), stride=(4, 4), padding=((1, 1), (2, 2))), None),
        (spec.Conv(5, kernel=(4, 4), stride=(2, 2)), None),
    ],
)
def test_a_convolution_by_blocks_of_pixels_is_the_convolution(layer, blocks):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(2, 24, 24, 3)).astype(np.float32)
    kernel = rng.normal(size=(*layer.kernel, 3, 5)).astype(np.float32)
    assert model._blocks(x.shape[1:], layer) == blocks
    expected = jax.lax.conv_general_dilated(
        x, kernel, layer.stride, layer.padding, dimension_numbers=("NHWC", "HWIO", "NHWC")
    )
    np.testing.assert_allclose(model._convolve(jnp.asarray(x), jnp.asarray(kernel), layer), expected, atol=1e-4)
