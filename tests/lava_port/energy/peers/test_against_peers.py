"""Three independent tools count the same spikes and agree; `.ci/peers` makes their environments and runs this."""

import dataclasses
import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lava_port.energy.activity import measure
from lava_port.energy.chips import CHIPS, Figure
from lava_port.energy.counts import Counts, counts
from lava_port.energy.mapping import place
from lava_port.energy.mesh import tiles
from lava_port.energy.placement import core_of
from lava_port.graph import (
    FixedConv,
    FixedDense,
    FixedGraph,
    FixedHold,
    FixedInput,
    FixedLif,
    FixedReadout,
    find,
    windows,
)
from lava_port.reference import run_fixed
from lava_port.trace import Trace

ROOT = Path(__file__).resolve().parents[4]
ENVIRONMENTS = Path(os.environ.get("NEURALLNET_PEERS", ROOT / ".peers"))
FOLDER = Path(__file__).parent

pytestmark = pytest.mark.peers


def run_in(environment: str, script: str, *arguments: object) -> None:
    """Run a script of this folder in a peer's environment, or skip where there is none."""
    python = ENVIRONMENTS / environment / "bin" / "python"
    if not python.is_file():
        pytest.skip(f"no environment at {python}; .ci/peers makes it")
    done = subprocess.run(
        [python, FOLDER / script, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        timeout=500,
        env={key: value for key, value in os.environ.items() if not key.startswith("PYTHON")},
    )
    assert done.returncode == 0, done.stderr


def draw(seed: int) -> FixedGraph:
    """Return a network without biases, so that nothing spikes where nothing arrives; a quarter of all weights is 0."""
    rng = np.random.default_rng(seed)

    def weight(*shape: int) -> np.ndarray:
        return (2 * rng.integers(-60, 110, shape) * (rng.random(shape) < 0.75)).astype(np.int16)

    def lif(number: int, source: str, shape: tuple[int, ...], threshold: int, dv: int) -> FixedLif:
        each = rng.integers(threshold, 2 * threshold, shape[-1]).astype(np.int32)
        return FixedLif(f"lif_{number}", (source,), shape, 4095, dv, each, np.zeros(shape[-1], np.int32))

    nodes = (
        FixedInput("input", (12, 11, 2), (100, 120)),
        FixedConv("conv_1", ("input",), (12, 11, 4), weight(4, 2, 3, 3), (1, 1), ((1, 1), (1, 1))),
        FixedHold("hold", ("conv_1",), (12, 11, 4), 4),
        lif(1, "hold", (12, 11, 4), 1000, 0),
        FixedConv("conv_2", ("lif_1",), (6, 6, 6), weight(6, 4, 3, 3), (2, 2), ((1, 1), (1, 1))),
        lif(2, "conv_2", (6, 6, 6), 200, 1024),
        FixedConv("conv_3", ("lif_2",), (6, 5, 8), weight(8, 3, 3, 2), (1, 1), ((2, 2), (1, 1)), 2, (2, 3)),
        lif(3, "conv_3", (6, 5, 8), 150, 0),
        FixedDense("dense", ("lif_3",), (4,), weight(4, 240)),
        FixedReadout("readout", ("dense",), (4,), np.zeros(4, np.int64), 1.0),
    )
    return FixedGraph(nodes, 5, ("a", "b", "c", "d"))


@pytest.fixture(params=range(3))
def network(request: pytest.FixtureRequest, images_of: Callable[..., np.ndarray]) -> tuple[FixedGraph, Trace]:
    """Return each of three networks and what it does with four images; all its layers spike."""
    graph = draw(request.param)
    trace = run_fixed(graph, images_of((12, 11, 2), 4, request.param))
    assert all(0.01 < layer.spikes.mean() < 0.9 for layer in trace.layers)
    return graph, trace


def layers_of(graph: FixedGraph, trace: Trace) -> dict[str, np.ndarray]:
    """Return weights, geometry and spikes, channels first, of every layer that hears spikes."""
    found: dict[str, np.ndarray] = {}
    for node in graph.nodes:
        if not isinstance(node, FixedConv | FixedDense) or isinstance(find(graph, node.inputs[0]), FixedInput):
            continue
        spikes = trace.layer(node.inputs[0]).spikes
        found[f"{node.name}/weight"] = node.weight
        if isinstance(node, FixedConv):
            spikes = np.moveaxis(spikes, -1, 2)
            pads = [pad[0] for pad in node.padding]
            found[f"{node.name}/geometry"] = np.array([*node.stride, *pads, *node.dilation, node.groups])
        else:
            spikes = spikes.reshape(*spikes.shape[:2], -1)
        found[f"{node.name}/spikes"] = spikes
    return found


@pytest.mark.parametrize(("library", "count"), [("spikingjelly", "synops_stored"), ("neurobench", "synops_nonzero")])
def test_synaptic_operations_are_those_of_another_library(
    network: tuple[FixedGraph, Trace], library: str, count: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """SpikingJelly's SynOpCounter counts every stored weight, NeuroBench's Effective_ACs those that are not zero."""
    graph, trace = network
    np.savez(tmp_path / "layers.npz", **layers_of(graph, trace))  # pyright: ignore[reportArgumentType]
    run_in(library, "count_synops.py", library, tmp_path / "layers.npz", tmp_path / "counts.json")
    theirs = json.loads((tmp_path / "counts.json").read_text())
    result = counts(graph, measure(graph, trace))
    ours = {name: int(getattr(result.node(name), count).sum()) for name in theirs}
    assert list(ours) == ["conv_2", "conv_3", "dense"]
    with capsys.disabled():
        print(f"\n{library}: {sum(theirs.values()):,.0f}, {count}: {sum(ours.values()):,}", end="")
    assert min(ours.values()) > 0
    # NeuroBench divides by the images, and the test multiplies again.
    assert theirs == pytest.approx(ours, rel=1e-12)
    if library == "spikingjelly":
        assert theirs == ours


def mapped(graph: FixedGraph, trace: Trace, image: int, placed: Counts) -> dict[str, np.ndarray]:
    """Return one image's network as SANA-FE is told of it: all that hear spikes as neurons, lif_1 replaying its own."""
    placement = placed.placement
    assert placement is not None
    where, window = tiles(placement), windows(graph)
    populations = [node for node in graph.nodes if isinstance(node, FixedLif | FixedReadout)]
    first = dict(zip([one.name for one in populations], np.cumsum([0, *(int(np.prod(one.shape)) for one in populations)]),
                     strict=False))  # fmt: skip
    total = sum(int(np.prod(one.shape)) for one in populations)
    cores = np.concatenate([core_of(placement, one.name).ravel() for one in populations])
    spikes = np.zeros((total, trace.total_steps), bool)
    start = window["lif_1"].start
    seen = trace.layer("lif_1").spikes[:, image].reshape(graph.steps, -1)
    spikes[: seen.shape[1], start : start + graph.steps] = seen.T
    threshold, leak = np.full(total, 1e9), np.ones(total)
    for one in populations[1:-1]:
        assert isinstance(one, FixedLif)
        mine = slice(first[one.name], first[one.name] + int(np.prod(one.shape)))
        threshold[mine] = np.broadcast_to(one.threshold, one.shape).ravel()
        leak[mine] = (4096 - one.dv) / 4096
    pairs, weights = [], []
    for before, node, after in (
        ("lif_1", "conv_2", "lif_2"),
        ("lif_2", "conv_3", "lif_3"),
        ("lif_3", "dense", "readout"),
    ):
        for source, target, weight in connected(graph, node):
            pairs.append((first[before] + source, first[after] + target))
            weights.append(weight)
    mesh = placement.chip.mesh
    return {
        "core": np.column_stack([where[cores], cores % mesh.cores_per_tile.value]),
        "threshold": threshold,
        "leak": leak,
        "replayed": np.arange(total) < first["lif_2"],
        "spikes": spikes,
        "pairs": np.array(pairs),
        "weights": np.array(weights),
    }


def connected(graph: FixedGraph, name: str) -> list[tuple[int, int, int]]:
    """Return (neuron before, neuron behind, weight) of every connection, neurons numbered as they are flattened."""
    node = find(graph, name)
    assert isinstance(node, FixedConv | FixedDense)
    source = find(graph, node.inputs[0]).shape
    if isinstance(node, FixedDense):
        return [(before, after, int(weight)) for (after, before), weight in np.ndenumerate(node.weight)]
    found = []
    ins, outs = node.weight.shape[1], len(node.weight) // node.groups
    for after, (y, x, out) in enumerate(np.ndindex(node.shape)):
        for channel, ky, kx in np.ndindex(node.weight.shape[1:]):
            row = y * node.stride[0] + ky * node.dilation[0] - node.padding[0][0]
            column = x * node.stride[1] + kx * node.dilation[1] - node.padding[1][0]
            if 0 <= row < source[0] and 0 <= column < source[1]:
                before = (row * source[1] + column) * source[2] + out // outs * ins + channel
                found.append((before, after, int(node.weight[out, channel, ky, kx])))
    return found


def test_sana_fe_simulates_the_messages_and_the_energy_that_the_counts_give(
    network: tuple[FixedGraph, Trace], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """On its own Loihi, calibrated to silicon (Boyle et al. 2025): picojoules per event as in its architecture file."""
    graph, trace = network
    # Twelve neurons a core spread the network over tiles in both directions.
    chip = dataclasses.replace(
        CHIPS["loihi2"], compartments=Figure(12, "assumed", "for a test"), mesh=CHIPS["loihi1"].mesh
    )
    placement = place(graph, chip, sharing="shared")
    assert 64 < placement.cores <= 128
    result = counts(graph, measure(graph, trace), placement=placement)
    hearing = [result.node(name) for name in ("conv_2", "conv_3", "dense")]
    senders = [result.node(name) for name in ("lif_1", "lif_2", "lif_3")]
    updated = [result.node(name) for name in ("lif_2", "lif_3", "readout")]
    for image in range(2):
        np.savez(tmp_path / "network.npz", **mapped(graph, trace, image, result))  # pyright: ignore[reportArgumentType]
        run_in("sanafe", "simulate_loihi.py", tmp_path / "network.npz", tmp_path / "result.json")
        theirs: dict[str, Any] = json.loads((tmp_path / "result.json").read_text())

        def total(nodes: list, count: str, image: int = image) -> int:
            return int(sum(getattr(node, count)[:, image].sum() for node in nodes))

        synops, messages = total(hearing, "synops_stored"), total(senders, "messages")
        across = total(senders, "hops_east_west")
        along = total(senders, "hops") - across
        updates = total(updated, "updates") + sum(int(node.idle_updates[image]) for node in updated)
        fired = total(senders[1:], "spikes")
        assert (theirs["spikes"], theirs["packets_sent"]) == (synops, messages)
        assert theirs["neurons_fired"] == total(senders, "spikes")
        network_pj = 111.0 * messages + 3.0 * across + 4.2 * along
        ours = {"synapse": 24.0 * synops, "soma": (51.2 + 21.6) * updates + 69.3 * fired, "network": network_pj}
        for part, picojoules in ours.items():
            assert theirs["energy"][part] == pytest.approx(picojoules * 1e-12, rel=1e-9), part
        whole = sum(ours.values()) * 1e-12
        assert theirs["energy"]["total"] == pytest.approx(whole, rel=1e-9)
        assert min(across, along, fired, synops) > 0
        with capsys.disabled():
            off = abs(theirs["energy"]["total"] / whole - 1)
            counted = f"{synops:,} synops, {messages:,} messages, {across + along:,} hops"
            print(f"\nSANA-FE: {counted}, {whole:.4e} J, off by {off:.0e}", end="")
