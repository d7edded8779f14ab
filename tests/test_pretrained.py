"""The shipped network: its size, its origin, and on the real smears the figures that the README quotes."""

import importlib.util
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lava_port.energy import mapping
from lava_port.energy.chips import CHIPS, Chip, Figure
from lava_port.energy.partition import Sharing
from neurallnet_jax import checkpoint, config, spec
from neurallnet_jax.checkpoint import Checkpoint
from neurallnet_jax.cli import main as cli
from neurallnet_jax.evaluation import evaluate, selection
from neurallnet_jax.images import folder, splits
from neurallnet_jax.images.folder import Dataset
from neurallnet_jax.workflows import simulate
from neurallnet_jax.workflows.convert import convert

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def shipped() -> Checkpoint:
    return checkpoint.load("pretrained")


@pytest.fixture(scope="module")
def taleqani(shipped: Checkpoint, real_data: Path) -> Dataset:
    return folder.open_folder(real_data / "taleqani", shipped.spec.image_size, classes=shipped.classes)


def colour_line() -> object:
    """Return the benchmark script as a module."""
    found = importlib.util.spec_from_file_location("colour_line", ROOT / "benchmarks" / "colour_line.py")
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


def test_it_is_the_first_reconstruction_and_small(shipped: Checkpoint) -> None:
    """128 px and a first convolution of 3 x 3; the preset has moved on."""
    assert shipped.spec == spec.neurallnet(attention=spec.SqueezeExcite(delay=2))
    assert checkpoint.locate("pretrained").stat().st_size <= 1_500_000
    assert 300_000 <= sum(row.parameters for row in checkpoint.layer_sizes(shipped)) <= 350_000


def test_it_says_how_it_was_trained(shipped: Checkpoint) -> None:
    provenance = json.loads(json.dumps(dict(shipped.provenance)))
    training = config.training_from_json(provenance["training"])
    assert (training.epochs, training.twin_epochs, training.white_level, training.keep) == (40, 0, None, "best")
    assert training.augmentation == config.Augmentation(scale=(0.9, 1.11), shift=0.06, gain=0.06, offset=0.02, stain=0)
    assert provenance["split"]["scheme"] == "blocks"
    assert "--split blocks" in provenance["command"]
    assert "/home" not in provenance["command"]


def test_it_has_seen_nothing_but_the_images_of_the_manifest(shipped: Checkpoint) -> None:
    rows = (ROOT / "data" / "taleqani" / "manifest.csv").read_text(encoding="utf-8").splitlines()[1:]
    known = {row.split(",")[1] for row in rows}
    assert set(shipped.seen) <= known
    assert set(shipped.test) <= known
    assert not set(shipped.seen) & set(shipped.test)


@pytest.mark.parametrize("chip", ["loihi1", "loihi2"])
def test_the_documentation_shows_where_it_lies_as_the_command_prints_it(
    chip: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["inspect", "pretrained", "--fit", chip]) == (chip == "loihi1")
    lines = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
    start = next(place for place, line in enumerate(lines) if line.startswith("Loihi "))
    assert "\n".join(lines[start:]) in (ROOT / "docs" / "mapping.md").read_text(encoding="utf-8")


@pytest.mark.slow
def test_the_documentation_says_what_its_placement_hangs_on(shipped: Checkpoint) -> None:
    fixed, chip = convert(shipped).fixed, CHIPS["loihi2"]
    text = (ROOT / "docs" / "mapping.md").read_text(encoding="utf-8")

    def cores(sharing: Sharing, changed: Chip) -> int:
        placement = mapping.place(fixed, changed, sharing=sharing)
        assert placement.fits
        return placement.cores

    axons = Figure(4096, "assumed", "as on Loihi 1")
    assert f"kernels stored once take {cores('shared', replace(chip, output_axons=axons))} cores" in text
    small = replace(chip, compartments=Figure(1024, "assumed", "as on Loihi 1"))
    assert f"they take {cores('shared', small)} cores" in text
    bare = replace(chip, costs=replace(chip.costs, index_bits=Figure(0, "assumed", "no index")))
    assert f"leave {cores('unrolled', bare)} of the {cores('unrolled', chip)} cores" in text.replace("\n", " ")
    few = mapping.place(fixed, replace(chip, input_axons=axons), sharing="shared")
    assert [reason.split("'")[1] for reason in few.reasons] == [f"gate_{place}.squeeze" for place in range(1, 6)]


@pytest.mark.real
def test_its_split_is_the_one_it_names(shipped: Checkpoint, taleqani: Dataset) -> None:
    split = splits.make_split(taleqani.records, scheme="blocks")
    parts = {part: {taleqani.records[i].sha256 for i in splits.indices(split, part)} for part in ("train", "test")}
    assert parts["test"] == set(shipped.test)
    assert parts["train"] <= set(shipped.seen)


@pytest.mark.real
@pytest.mark.slow
def test_it_beats_colour_on_its_test_blocks(shipped: Checkpoint, taleqani: Dataset, real_data: Path) -> None:
    chosen = selection.select(taleqani, seen=shipped.seen, test=shipped.test, only="test")
    found = evaluate.evaluate(shipped, taleqani, chosen)
    colour = colour_line().main(real_data / "taleqani", "blocks", 0)  # pyright: ignore[reportAttributeAccessIssue]
    assert found.seen == 0
    assert found.scores.balanced_accuracy >= 0.94
    assert found.scores.balanced_accuracy > colour


@pytest.mark.real
@pytest.mark.slow
def test_rounding_costs_at_most_half_a_point(shipped: Checkpoint, taleqani: Dataset) -> None:
    chosen = selection.select(taleqani, seen=shipped.seen, test=shipped.test, only="test")
    port = convert(shipped)
    pixels = np.asarray(taleqani.pixels[chosen.places])
    found = simulate.simulate(port.fixed, pixels, backend="emulator")
    integer = evaluate.judge(simulate.probabilities(port, found.scores), port.classes, taleqani, chosen)
    real = evaluate.evaluate(shipped, taleqani, chosen)
    assert real.scores.balanced_accuracy - integer.scores.balanced_accuracy <= 0.005


@pytest.mark.real
@pytest.mark.slow
def test_three_executions_spike_alike_on_real_smears(shipped: Checkpoint, taleqani: Dataset) -> None:
    chosen = selection.select(taleqani, seen=shipped.seen, test=shipped.test, only="test", limit=4)
    pixels = np.asarray(taleqani.pixels[chosen.places])
    for parity in simulate.check_parity(convert(shipped).fixed, pixels, backends=("reference", "emulator", "lava")):
        assert [layer.mismatches for layer in parity.layers] == [0] * len(parity.layers)
        assert sum(layer.spikes for layer in parity.layers) > 0
