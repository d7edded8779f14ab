"""A request survives JSON, and two that differ say where."""

import dataclasses
import json

import pytest

from neurallnet_jax import config, spec
from neurallnet_jax.training import request as requests
from neurallnet_jax.training.request import Request


@pytest.fixture
def asked() -> Request:
    chosen = config.preset("tiny")
    return Request("smears", chosen.network, chosen.training, split="contiguous", fold=3, seed=5, margin=100)


def test_a_request_survives_json(asked):
    assert requests.from_json(json.loads(json.dumps(requests.to_json(asked)))) == asked


def test_what_an_older_version_did_not_know_has_its_default(asked):
    data = requests.to_json(asked)
    del data["margin"]
    assert requests.from_json(data) == dataclasses.replace(asked, margin=24)


@pytest.mark.parametrize("lacking", ["network", "training", "data"])
def test_what_is_no_request_is_refused(asked, lacking):
    data = requests.to_json(asked)
    del data[lacking]
    with pytest.raises((KeyError, TypeError, ValueError)):
        requests.from_json(data)


def test_every_setting_that_differs_is_named_with_both_values(asked):
    assert requests.differences(asked, asked) == ()
    network = dataclasses.replace(asked.network, image_size=(32, 32))
    other = dataclasses.replace(asked, margin=24, network=network)
    assert requests.differences(asked, other) == (
        "network.image_size was (64, 64), is (32, 32)",
        "margin was 100, is 24",
    )


def test_layers_that_differ_are_not_listed_one_by_one(asked):
    other = dataclasses.replace(asked, network=config.preset("neurallnet").network)
    assert requests.differences(asked, other)[-1] == "the layers differ"


@pytest.mark.parametrize("split", ["blocks", "random", "all", "split.csv"])
def test_a_margin_without_a_contiguous_split_is_refused(asked, split):
    with pytest.raises(ValueError, match=f"margin 100: split {split} leaves out no such numbers"):
        dataclasses.replace(asked, split=split)


def test_a_network_of_another_kind_is_named(asked):
    other = dataclasses.replace(asked, network=spec.KerasNetwork("resnet50", (64, 64)))
    assert requests.from_json(json.loads(json.dumps(requests.to_json(other)))) == other
    for before, now in ((asked, other), (other, asked)):
        assert any("resnet50" in one and "spiking" in one for one in requests.differences(before, now))


def test_weights_of_a_file_and_of_a_run_exclude_each_other(asked):
    with pytest.raises(ValueError, match=r"both the RUN pretrained and the file w\.h5"):
        dataclasses.replace(asked, source="pretrained", weights="w.h5")
    with pytest.raises(ValueError, match="no file of them; name it with --weights"):
        dataclasses.replace(asked, weights_sha256="00")
    assert "weights was None, is 'w.h5'" in requests.differences(asked, dataclasses.replace(asked, weights="w.h5"))
