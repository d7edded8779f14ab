"""Two independent libraries import what we export and spike alike; `.ci/peers` makes their environments and runs this.

A spike may differ where the potential lies within 1e-5 of its threshold, and where it follows from such a one; both are
counted and printed, and there are to be no others.
"""

import dataclasses
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from lava_port import graph, reference, to_nir
from neurallnet_jax import checkpoint
from neurallnet_jax.images import folder, synthetic
from neurallnet_jax.workflows.convert import float_graph
from neurallnet_jax.workflows.freeze import freeze

ROOT = Path(__file__).resolve().parents[3]
SCRIPT = Path(__file__).with_name("run_peer.py")
ENVIRONMENTS = Path(os.environ.get("NEURALLNET_PEERS", ROOT / ".peers"))
DT = 1e-4

pytestmark = pytest.mark.peers


class Answer(NamedTuple):
    """What a peer said."""

    code: int
    error: str
    spikes: dict[str, np.ndarray]
    scores: np.ndarray


@pytest.fixture(params=["snntorch", "norse"])
def peer(request: pytest.FixtureRequest) -> str:
    python = ENVIRONMENTS / request.param / "bin" / "python"
    if not python.is_file():
        pytest.skip(f"no environment at {python}; .ci/peers makes it")
    return request.param


@pytest.fixture
def ask(peer: str, tmp_path: Path, normalised: Callable[..., np.ndarray]) -> Callable[..., Answer]:
    """Return a function of graph and uint8 images that runs the peer on their NIR file."""

    def run(whole: graph.Graph, images: np.ndarray) -> Answer:
        net, given, out = tmp_path / "net.nir", tmp_path / "inputs.npz", tmp_path / "spikes.npz"
        to_nir.write(to_nir.to_nir(whole, dt=DT), net)
        np.savez(given, inputs=normalised(whole.nodes[0], images), steps=whole.steps, dt=DT)
        done = subprocess.run(
            [ENVIRONMENTS / peer / "bin" / "python", SCRIPT, peer, net, given, out],
            capture_output=True,
            text=True,
            check=False,
            timeout=500,
            env={key: value for key, value in os.environ.items() if not key.startswith("PYTHON")},
        )
        if done.returncode:
            return Answer(done.returncode, done.stderr, {}, np.empty(0))
        said = dict(np.load(out))
        return Answer(0, done.stderr, said, said.pop("scores"))

    return run


@pytest.fixture
def check(
    ask: Callable[..., Answer],
    peer: str,
    nir_run: Callable,
    explained: Callable,
    normalised: Callable,
    capsys: pytest.CaptureFixture[str],
) -> Callable[..., None]:
    """Return a function that compares the peer with the reference, layer by layer and step by step, and prints counts."""

    def compare(name: str, whole: graph.Graph, images: np.ndarray) -> None:
        answer = ask(whole, images)
        assert answer.code == 0, answer.error
        expected = reference.run_float(whole, images)
        inputs = normalised(whole.nodes[0], images)
        overshoot = nir_run(to_nir.to_nir(whole, dt=DT), inputs, steps=whole.steps, dt=DT).overshoot
        assert set(answer.spikes) == {layer.name for layer in expected.layers}
        found = explained(expected, answer.spikes, overshoot)
        with capsys.disabled():
            print(
                f"\n{peer}, {name}, {len(images)} images: {found.spikes:,} spikes in {found.events:,} events; differing: "
                f"{found.border} at the border, {found.later} after one, {found.unexplained} unexplained",
                end="",
            )
        assert found.unexplained == 0
        assert found.spikes > 0
        assert found.border <= 1e-5 * found.events
        if not found.border:
            np.testing.assert_allclose(answer.scores, expected.scores, atol=1e-4)

    return compare


@pytest.mark.parametrize("name", ["plain", "constant", "pooled", "grouped", "hidden", "flat", "gated", "learned"])
def test_small_networks_spike_alike(
    check: Callable[..., None], exportable: Callable[[str, int], graph.Graph], images_of: Callable, peer: str, name: str
) -> None:
    for seed in range(3):
        whole = exportable(name, seed)
        if name == "learned" and peer == "snntorch":
            whole = leaky(whole)
        check(f"{name} {seed}", whole, images_of(whole.nodes[0].shape, 4, seed))


def leaky(whole: graph.Graph) -> graph.Graph:
    """Return a network whose neurons all leak: snnTorch 1.0.0 turns an IF into a neuron that decays by 0.1 a step."""
    nodes = tuple(
        dataclasses.replace(node, dv=0.125) if isinstance(node, graph.LifNode) and node.dv == 0 else node
        for node in whole.nodes
    )
    return dataclasses.replace(whole, nodes=nodes)


def test_snntorch_refuses_neurons_that_do_not_leak_rather_than_run_others(
    ask: Callable[..., Answer], exportable: Callable[[str, int], graph.Graph], images_of: Callable, peer: str
) -> None:
    if peer != "snntorch":
        pytest.skip("norse runs them")
    answer = ask(exportable("learned", 0), images_of((10, 12, 3), 1, 0))
    assert answer.code != 0
    assert "r != 1 not supported" in answer.error


def test_the_shipped_network_with_frozen_gates_spikes_alike_on_drawn_smears(check: Callable[..., None]) -> None:
    saved = checkpoint.load(checkpoint.PRETRAINED)
    pixels, _ = synthetic.dataset(1, 0, saved.spec.image_size)
    frozen, _ = freeze(float_graph(saved), pixels)
    check("pretrained on drawn smears", frozen, pixels)


@pytest.mark.real
def test_the_shipped_network_with_frozen_gates_spikes_alike_on_real_smears(
    check: Callable[..., None], real_data: Path
) -> None:
    saved = checkpoint.load(checkpoint.PRETRAINED)
    dataset = folder.open_folder(real_data / "taleqani", saved.spec.image_size, classes=saved.classes)
    pixels = np.asarray(dataset.pixels[np.linspace(0, len(dataset) - 1, 16).astype(int)])
    frozen, _ = freeze(float_graph(saved), pixels)
    check("pretrained on real smears", frozen, pixels[::4])
