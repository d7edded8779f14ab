import hashlib
import warnings
from pathlib import Path

import jax
import numpy as np
import pytest

from neurallnet_jax import spec
from neurallnet_jax.baselines import applications, keras_running, pretrained
from neurallnet_jax.baselines.applications import APPLICATIONS

NETWORK = spec.KerasNetwork("resnet50", (64, 64), classes=4)


def filled(network: spec.KerasNetwork, **options):
    """Return a model whose every variable is drawn."""
    model = applications.abstract_model(network, **options)
    rng = np.random.default_rng(0)
    for one in model.variables:
        drawn = rng.normal(0, 1 / np.sqrt(np.prod(one.shape[:-1])), one.shape) if len(one.shape) > 1 else None
        one.assign(rng.uniform(0.5, 1.5, one.shape) if drawn is None else drawn)
    return model


@pytest.fixture(scope="session")
def published(tmp_path_factory) -> tuple[Path, object]:
    """A file as others would publish it, with the head of 1,000 classes, and the model that it was made from."""
    path = tmp_path_factory.mktemp("weights") / "resnet50.weights.h5"
    model = filled(spec.KerasNetwork("resnet50", (224, 224), classes=1000))
    with warnings.catch_warnings():
        # Keras hands its variables to NumPy 2 as NumPy 1 took them; only saving does.
        warnings.simplefilter("ignore", DeprecationWarning)
        model.save_weights(str(path))
    return path, model


@pytest.fixture(scope="session")
def loaded(published) -> pretrained.Pretrained:
    return pretrained.load(NETWORK, published[0])


@pytest.mark.slow
def test_all_but_the_head_is_taken_from_the_file(published, loaded):
    _, model = published
    assert loaded.fresh == ("predictions",)
    kernel = np.asarray(model.get_layer("conv4_block3_2_conv").kernel.value)
    np.testing.assert_array_equal(loaded.weights["params/conv4_block3_2_conv/kernel"], kernel)
    mean = np.asarray(model.get_layer("conv5_block1_0_bn").moving_mean.value)
    np.testing.assert_array_equal(loaded.weights["batch_stats/conv5_block1_0_bn/moving_mean"], mean)
    missing = set(models_names(keras_running.runnable(NETWORK).shapes())) - set(loaded.weights)
    assert missing == {"params/predictions/kernel", "params/predictions/bias"}


def models_names(tree) -> list[str]:
    return [f"{kind}/{layer}/{name}" for kind, own in tree.items() for layer, one in own.items() for name in one]


@pytest.mark.slow
def test_with_its_own_preprocessing_it_says_what_keras_says_with_that_of_keras(published, loaded):
    """Pixels through `(pixel - offset) / scale` and the folded kernel, against Keras' model on its input, blue first."""
    keras = applications.backend.load()
    _, model = published
    pixels = np.random.default_rng(1).integers(0, 256, (1, 224, 224, 3)).astype(np.float32)
    offset = np.asarray(loaded.convention.offset, np.float32).reshape(1, 1, 1, 3)
    ours = (pixels - offset) / loaded.convention.scale
    head = keras.Model(model.inputs[0], model.get_layer("conv2_block1_out").output)
    expected = jax.jit(lambda x: head(x, training=False))(ours[..., ::-1])
    run = keras_running.runnable(spec.KerasNetwork("resnet50", (224, 224)))
    tree = {
        kind: {
            layer: {name: loaded.weights.get(f"{kind}/{layer}/{name}", 0) for name in one} for layer, one in own.items()
        }
        for kind, own in run.shapes().items()
    }
    found = jax.jit(lambda x: run.features(tree, x, jax.random.key(0), "conv2_block1_out"))(ours[None])
    scale = np.abs(expected).max()
    np.testing.assert_allclose(found[0] / scale, expected / scale, atol=1e-5)
    assert np.abs(np.asarray(found[0]) - head(ours, training=False)).max() > 0.01 * scale  # with red first it does not


def test_the_conventions_are_those_of_keras():
    """A grey ramp through `preprocess_input` of each network, against offset, scale, factor and order of channels."""
    keras = applications.backend.load()
    pixels = np.random.default_rng(0).integers(0, 256, (4, 3)).astype(np.float32).reshape(1, 2, 2, 3)
    rooms = {
        "vgg19": "vgg19",
        "resnet50": "resnet",
        "densenet121": "densenet",
        "inception-resnet-v2": "inception_resnet_v2",
    }
    for name, room in rooms.items():
        convention = APPLICATIONS[name].convention
        offset, factors = (np.reshape(one, (1, 1, 1, 3)) for one in (convention.offset, convention.factors))
        ours = (pixels - offset) / convention.scale * factors
        ours = ours[..., ::-1] if convention.blue_first else ours
        theirs = getattr(keras.applications, room).preprocess_input(pixels.copy())
        # Half a grey level is what whole offsets may leave.
        assert np.abs(ours - theirs).max() <= 0.5 / convention.scale * max(convention.factors) + 1e-5, name


@pytest.mark.parametrize(
    ("network", "name", "message"),
    [
        (spec.AlexNet(), "w.weights.h5", "and alexnet is none of its networks; use --from RUN"),
        (spec.neurallnet(), "w.h5", "and the spiking network is none of its networks"),
        (NETWORK, "w.npz", "is no file of Keras weights; expected a name that ends in .weights.h5, .keras, .h5"),
        (NETWORK, "absent.h5", "there is no such file; nothing is downloaded"),
    ],
)
def test_what_cannot_be_a_file_of_its_weights_is_refused(tmp_path, network, name, message):
    if not name.startswith("absent"):
        (tmp_path / name).write_bytes(b"weights")
    with pytest.raises(ValueError, match=message):
        pretrained.check_file(network, tmp_path / name)


def test_another_hash_is_refused_with_the_one_found(tmp_path):
    path = tmp_path / "w.h5"
    path.write_bytes(b"weights")
    digest = hashlib.sha256(b"weights").hexdigest()
    assert pretrained.check_file(NETWORK, path, digest.upper()) == digest
    with pytest.raises(ValueError, match=f"its SHA-256 is {digest}, not abc; it is another file"):
        pretrained.check_file(NETWORK, path, "abc")


@pytest.mark.slow
def test_a_file_that_holds_no_such_weights_is_refused_in_one_line(tmp_path):
    path = tmp_path / "w.weights.h5"
    path.write_bytes(b"no HDF5")
    with pytest.raises(ValueError, match="does not hold the weights of resnet50") as error:
        pretrained.load(NETWORK, path)
    assert "\n" not in str(error.value)
