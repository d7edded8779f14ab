"""One drawn smear explained, by a network that was drawn too."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from neurallnet_jax import checkpoint, models
from neurallnet_jax.evaluation import evaluate
from neurallnet_jax.explain import methods
from neurallnet_jax.explain.controls import CONTROLS
from neurallnet_jax.explain.trial import Settings
from neurallnet_jax.images.folder import open_files
from neurallnet_jax.workflows import explain, explain_image

QUICK = Settings(steps=3)


@pytest.fixture(scope="module")
def saved(reported) -> checkpoint.Checkpoint:
    return checkpoint.load(reported.run)


@pytest.fixture(scope="module")
def image(reported) -> Path:
    return next((reported.data / "Benign").iterdir())


def test_a_layer_goes_to_the_methods_that_look_at_one(saved, image):
    names = ["grad-cam", "lime"]
    chosen = explain.select(models.from_checkpoint(saved), names, layer="lif_1")
    assert list(chosen.ready) == names
    near, last = (
        explain_image.explain_image(saved, image, names=["grad-cam"], layer=layer, settings=QUICK).maps["grad-cam"]
        for layer in ("lif_1", None)
    )
    assert (near.found.heat != last.found.heat).any()


def test_an_image_of_another_size_and_mode_is_taken_as_predict_takes_it(saved, tmp_path):
    grey = np.random.default_rng(0).integers(0, 256, (70, 51), dtype=np.uint8)
    Image.fromarray(grey).save(tmp_path / "grey.png")
    found = explain_image.explain_image(saved, tmp_path / "grey.png", names=["cam"], settings=QUICK)
    files = open_files([tmp_path / "grey.png"], saved.spec.image_size)
    assert found.prediction == evaluate.predict(saved, files)[0]
    np.testing.assert_array_equal(found.image, models.prepare(files.pixels, saved.preprocessing.white_level)[0])
    assert found.target == found.prediction.label
    assert list(found.maps) == ["cam"]
    assert list(found.controls) == list(CONTROLS)
    one = found.maps["cam"]
    assert one.found.heat.shape == saved.spec.image_size
    assert one.figures["deletion"] == one.curves.deletion_auc
    assert found.gates == ()


def test_curves_begin_with_the_probability_that_predict_prints(saved, image):
    fitted = dataclasses.replace(saved, temperature=0.5)
    found = explain_image.explain_image(fitted, image, names=["cam"], target="pre-b", settings=QUICK)
    assert found.target == "Pre-B"
    first = found.maps["cam"].curves.deletion[0]
    assert first == pytest.approx(found.prediction.probabilities["Pre-B"], abs=1e-4)


def test_gates_are_shown_where_all_methods_are(saved, image, monkeypatch):
    few = {name: methods.METHODS[name] for name in ("grad-cam", "saliency")}
    monkeypatch.setattr(methods, "METHODS", few)
    told = []
    found = explain_image.explain_image(
        saved, image, names=["all"], settings=QUICK, progress=lambda done, total: told.append((done, total))
    )
    assert list(found.maps) == ["grad-cam"]
    assert set(found.refused) == {"saliency"}
    assert [trace.layer for trace in found.gates] == ["gate_1", "gate_2"]
    assert sorted(set(told)) == [(done, 4) for done in range(1, 5)]
    assert told == sorted(told)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"target": "Hairy"}, "no class 'Hairy'; there are Benign, Early Pre-B, Pre-B, Pro-B"),
        ({"layer": "lif_9"}, "no layer 'lif_9' to look at; there are lif_1, lif_2"),
        ({"names": ["saliency"]}, "saliency: the gradient of a spiking network"),
    ],
)
def test_what_does_not_exist_is_named(saved, image, options, message):
    with pytest.raises(ValueError, match=message):
        explain_image.explain_image(saved, image, **{"names": ["cam"], "settings": QUICK, **options})


def test_a_file_that_is_no_image_is_refused(saved, tmp_path):
    (tmp_path / "text.png").write_text("no smear")
    with pytest.raises(ValueError, match=r"text\.png"):
        explain_image.explain_image(saved, tmp_path / "text.png", names=["cam"], settings=QUICK)
