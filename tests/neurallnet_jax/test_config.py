import dataclasses
import inspect
import json
import re

import pytest

from neurallnet_jax import config, spec
from neurallnet_jax.network import rounding


@pytest.mark.parametrize("name", config.PRESETS)
def test_every_preset_is_a_network_that_survives_the_trip_through_json(name):
    preset = config.preset(name)
    spec.validate(preset.network)
    assert spec.network_from_json(json.loads(json.dumps(spec.network_to_json(preset.network)))) == preset.network
    text = json.dumps(config.training_to_json(preset.training))
    assert config.training_from_json(json.loads(text)) == preset.training


@pytest.mark.parametrize("name", config.PRESETS)
def test_every_preset_states_its_command(name):
    assert re.search(r"Command: neurallnet \w+", inspect.getdoc(getattr(config, f"_{name.replace('-', '_')}")) or "")


def test_the_gates_of_every_preset_can_run_on_hardware():
    for preset in config.PRESETS.values():
        if not preset.network.spiking:
            continue
        delays = [layer.delay for layer in preset.network.layers if isinstance(layer, spec.SqueezeExcite)]
        assert all(spec.GATE_PATH_MESSAGES <= delay < preset.network.steps for delay in delays)


def test_every_number_of_bits_that_rounding_knows_is_a_setting():
    for bits in (None, *range(rounding.LEAST_BITS, rounding.MOST_BITS + 1)):
        assert config.training_from_json(config.training_to_json(config.Training(weight_bits=bits))).weight_bits == bits


def test_settings_written_before_there_were_weight_bits_are_read():
    data = config.training_to_json(config.Training())
    del data["weight_bits"]
    assert config.training_from_json(data) == config.Training()


def test_the_relu_preset_is_the_twin_of_the_reconstruction():
    twin, network = config.preset("neurallnet-relu"), config.preset("neurallnet")
    assert twin.network == spec.relu_twin(network.network)
    assert twin.training == dataclasses.replace(network.training, epochs=network.training.twin_epochs, twin_epochs=0)


def test_an_unknown_preset_is_refused_with_those_that_exist():
    with pytest.raises(ValueError, match="no preset 'huge'; there are tiny, neurallnet"):
        config.preset("huge")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"epochs": 0}, "epochs is 0"),
        ({"batch_size": 0}, "batch_size is 0"),
        ({"warmup_epochs": -1}, "warmup_epochs is -1"),
        ({"weight_decay": -0.1}, "weight_decay is -0.1"),
        ({"learning_rate": 0.0}, "learning_rate is 0"),
        ({"learning_rate": float("nan")}, "learning_rate is nan"),
        ({"clip_norm": float("inf")}, "clip_norm is inf"),
        ({"label_smoothing": 1.0}, "label_smoothing is 1"),
        ({"ema_decay": 1.0}, "ema_decay is 1"),
        ({"rate_low": 0.4, "rate_high": 0.2}, "firing rates 0.4..0.2"),
        ({"rate_strength": -1.0}, "strength -1"),
        ({"mixing": -0.1}, "mixing is -0.1"),
        ({"weight_bits": 1}, "weight_bits is 1; expected 2 to 8, or None"),
        ({"weight_bits": rounding.MOST_BITS + 1}, "weight_bits is 9"),
        ({"weight_bits": 4.0}, "weight_bits is 4.0"),
    ],
)
def test_a_setting_out_of_range_is_refused_by_name(fields, message):
    with pytest.raises(ValueError, match=message):
        config.Training(**fields)


@pytest.mark.parametrize(
    ("fields", "message"),
    [({"gain": 1.0}, "'gain' is 1"), ({"shift": -0.1}, "'shift' is -0.1"), ({"scale": (1.1, 0.9)}, "'scale' is")],
)
def test_an_augmentation_out_of_range_is_refused_by_name(fields, message):
    with pytest.raises(ValueError, match=message):
        config.Augmentation(**fields)


def test_settings_of_another_version_are_refused_by_name():
    data = config.training_to_json(config.Training())
    with pytest.raises(ValueError, match=r"momentum.*another version"):
        config.training_from_json({**data, "momentum": 0.9})
    with pytest.raises(ValueError, match=r"augmentation.*another version"):
        config.training_from_json({name: value for name, value in data.items() if name != "augmentation"})


def test_settings_are_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        config.Training().epochs = 3  # pyright: ignore[reportAttributeAccessIssue]


@pytest.mark.parametrize("name", [*spec.KERAS_NETWORKS, "alexnet"])
def test_every_network_of_the_comparison_has_a_preset_of_its_own(name):
    preset = config.preset(name)
    assert spec.called(preset.network) == name
    assert preset.network.image_size == (224, 224)
    assert preset.training.augmentation == config.preset("neurallnet").training.augmentation
