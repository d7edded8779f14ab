import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from lava_port import reference
from neurallnet_jax import models, spec
from neurallnet_jax.checkpoint import Checkpoint
from neurallnet_jax.evaluation import robustness_result, shortcuts
from neurallnet_jax.evaluation.selection import Selection
from neurallnet_jax.images import synthetic
from neurallnet_jax.images.corruptions import SIDE
from neurallnet_jax.images.folder import Dataset, Record
from neurallnet_jax.workflows import convert, robustness

SIZE = (16, 16)


@pytest.fixture(scope="module")
def saved(classifier_of: Callable[..., models.Classifier]) -> Checkpoint:
    network = spec.neurallnet(widths=(4, 8), image_size=SIZE, steps=4, attention=spec.SqueezeExcite(delay=2))
    drawn = classifier_of(network, synthetic.CLASSES)
    return Checkpoint(network, models.to_weights(drawn.variables), drawn.preprocessing, synthetic.CLASSES)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    pixels, labels = synthetic.dataset(2, 0, (SIDE, SIDE))
    records = tuple(
        Record(f"{place}.png", f"{place:064x}", int(label), 1 + 48 * place) for place, label in enumerate(labels)
    )
    return Dataset(tmp_path_factory.mktemp("drawn"), synthetic.CLASSES, records, pixels)


def test_the_emulator_scores_and_spikes_as_the_reference_does(saved: Checkpoint) -> None:
    """18 images, a batch of 16 and one of 2."""
    port = convert.convert(saved)
    images = np.random.default_rng(0).integers(0, 256, (18, *SIZE, 3), dtype=np.uint8)
    scored = robustness.emulator_score(port)(images)
    expected = reference.run_fixed(port.fixed, images)
    np.testing.assert_array_equal(scored.scores, expected.scores)
    assert scored.rates == pytest.approx({layer.name: layer.spikes.mean() for layer in expected.layers})
    assert sum(scored.rates.values()) > 0


@pytest.mark.parametrize("backend", ["float", "emulator"])
def test_a_checkpoint_is_tested_in_either_arithmetic(saved: Checkpoint, dataset: Dataset, backend: Any) -> None:
    found = robustness.measure(
        saved,
        dataset,
        Selection(np.arange(8), np.zeros(8, bool)),
        backend=backend,
        names=["illumination"],
        severities=[1, 5],
    )
    assert [(one.name, one.severity) for one in found.conditions] == [("illumination", 1), ("illumination", 5)]
    assert list(found.clean.rates) == ["lif_1", "lif_2"]
    assert found.conditions[1].rates != found.clean.rates
    assert found.n == 8
    assert found.colour_line is None
    assert "lacks a record of the images" in str(found.colour_line_reason)


def test_the_colour_line_stands_beside_the_clean_figure(saved: Checkpoint, dataset: Dataset) -> None:
    seen = tuple(record.sha256 for record in dataset.records[::2])
    chosen = Selection(np.arange(1, 8, 2), np.zeros(4, bool))
    found = robustness.measure(
        dataclasses.replace(saved, seen=seen), dataset, chosen, names=["illumination"], severities=[1]
    )
    assert found.colour_line == shortcuts.colour_line(dataset, np.arange(0, 8, 2), chosen.places)
    assert robustness_result.from_json(robustness_result.to_json(found)) == found
