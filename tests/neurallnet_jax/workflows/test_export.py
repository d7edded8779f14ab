"""What is exported, read back by others' readers, is the network it was made from."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import nir
import numpy as np
import pytest
from jax import export as jax_export
from safetensors import safe_open

from lava_port import from_nir, passes, reference
from lava_port import graph as graphs
from lava_port import port as ports
from neurallnet_jax import checkpoint as checkpoints
from neurallnet_jax import models, spec
from neurallnet_jax.checkpoint import Checkpoint, Preprocessing
from neurallnet_jax.workflows import convert, export, freeze

CLASSES = ("round", "ärmlich", "c", "d")
PREPROCESSING = Preprocessing((120, 130, 140), 64.0)


def checkpoint_of(classifier_of: Callable[..., models.Classifier], network: spec.Network) -> Checkpoint:
    made = classifier_of(network, CLASSES, preprocessing=PREPROCESSING)
    weights = models.to_weights(made.variables)
    return Checkpoint(network, weights, PREPROCESSING, CLASSES, seen=("ab" * 32,), temperature=1.5)


def small(**change: object) -> spec.Network:
    options = {"widths": (4, 6), "image_size": (16, 16), "attention": spec.SqueezeExcite(delay=2), **change}
    return spec.neurallnet(**options)  # pyright: ignore[reportArgumentType]


@pytest.fixture
def saved(classifier_of: Callable[..., models.Classifier]) -> Checkpoint:
    return checkpoint_of(classifier_of, small())


@pytest.fixture
def port(saved: Checkpoint) -> ports.Port:
    return convert.convert(saved)


@pytest.fixture
def images() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (7, 16, 16, 3), np.uint8)


# --- StableHLO


def test_a_port_as_stablehlo_is_exact_for_every_batch(port: ports.Port, images: np.ndarray, tmp_path: Path) -> None:
    written = export.export(port, "stablehlo", tmp_path / "net.stablehlo")
    back = jax_export.deserialize(bytearray(written.path.read_bytes()))
    for count in (1, 3, 7):
        expected = reference.run_fixed(port.fixed, images[:count]).scores
        np.testing.assert_array_equal(np.asarray(back.call(images[:count])), expected)
    assert written.sidecar == tmp_path / "net.stablehlo.json"
    said = json.loads(written.sidecar.read_text(encoding="utf-8"))
    assert said["classes"] == list(CLASSES)
    assert said["sha256"] == written.sha256 == hashlib.sha256(written.path.read_bytes()).hexdigest()
    assert (said["temperature"], said["kind"]) == (1.5, "port")
    assert said["input"] == {"dtype": "uint8", "shape": ["b", "16", "16", "3"]}
    logits = said["logit_scale"] * np.asarray(back.call(images))
    np.testing.assert_allclose(logits, reference.run_float(port.graph, images).scores, atol=0.5)


@pytest.mark.parametrize(
    "network",
    [small(), small(encoding="latency"), spec.relu_twin(small()), small(downsample="pool", attention=None)],
    ids=["delayed", "latency", "relu", "pooled"],
)
def test_a_run_as_stablehlo_gives_the_logits_of_predict(
    classifier_of: Callable[..., models.Classifier], network: spec.Network, images: np.ndarray, tmp_path: Path
) -> None:
    saved = checkpoint_of(classifier_of, network)
    written = export.export(saved, "stablehlo", tmp_path / "net")
    back = jax_export.deserialize(bytearray(written.path.read_bytes()))
    classifier = models.from_checkpoint(saved)
    expected = models.make_predict(classifier)(classifier.variables, images)
    for count in (1, 7):
        np.testing.assert_allclose(np.asarray(back.call(images[:count])), expected[:count], atol=1e-5)
    said = json.loads((tmp_path / "net.json").read_text())
    assert said["output"] == {"dtype": "float32", "shape": ["b", "4"]}


def test_a_model_that_draws_at_random_is_refused(
    classifier_of: Callable[..., models.Classifier], tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match="encoding is 'rate', which draws spikes at random"):
        export.export(checkpoint_of(classifier_of, small(encoding="rate")), "stablehlo", tmp_path / "net")
    assert not list(tmp_path.iterdir())


# --- safetensors


def read_safetensors(path: Path) -> tuple[dict[str, np.ndarray], dict[str, object]]:
    with safe_open(str(path), framework="numpy") as file:
        arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
        return arrays, {key: json.loads(value) for key, value in file.metadata().items()}


def test_a_run_as_safetensors_holds_its_weights_and_no_image_hash(saved: Checkpoint, tmp_path: Path) -> None:
    export.export(saved, "safetensors", tmp_path / "net.safetensors")
    arrays, said = read_safetensors(tmp_path / "net.safetensors")
    assert set(arrays) == set(saved.weights)
    for name, array in saved.weights.items():
        np.testing.assert_array_equal(arrays[name], array)
    assert said["classes"] == list(CLASSES)
    assert said["preprocessing"] == {"offset": [120, 130, 140], "scale": 64.0, "white_level": None}
    assert spec.network_from_json(said["spec"]) == saved.spec  # pyright: ignore[reportArgumentType]


def test_a_port_as_safetensors_holds_plain_integers_and_its_structure(port: ports.Port, tmp_path: Path) -> None:
    export.export(port, "safetensors", tmp_path / "net.safetensors")
    arrays, said = read_safetensors(tmp_path / "net.safetensors")
    structure = said["structure"]
    assert isinstance(structure, dict)
    assert (structure["steps"], structure["classes"]) == (port.fixed.steps, list(CLASSES))
    assert [entry["name"] for entry in structure["nodes"]] == [node.name for node in port.fixed.nodes]
    met = set()
    for entry, node in zip(structure["nodes"], port.fixed.nodes, strict=True):
        assert entry["type"] == type(node).__name__
        for key, value in entry.items():
            if key == "type":
                continue
            mine = getattr(node, key)
            if isinstance(value, dict):
                met.add(value["array"])
                assert arrays[value["array"]].dtype == mine.dtype
                np.testing.assert_array_equal(arrays[value["array"]], mine)
            else:
                assert value == json.loads(json.dumps(mine))
    assert met == set(arrays)
    assert all(array.dtype.kind == "i" for array in arrays.values())


# --- NIR


def test_a_run_and_its_port_give_the_same_nir_once_frozen(
    saved: Checkpoint, port: ports.Port, images: np.ndarray, tmp_path: Path
) -> None:
    files = []
    for source in (saved, port):
        whole = export.float_graph_of(source)
        with pytest.raises(graphs.GraphError, match=r"node 'gate_1'.*--freeze-gates"):
            export.export(source, "nir", tmp_path / "net.nir")
        assert len(list(tmp_path.iterdir())) == len(files[:1])
        frozen, _ = freeze.freeze(whole, images)
        export.export(source, "nir", tmp_path / "net.nir", graph=frozen)
        files.append((tmp_path / "net.nir").read_bytes())
    assert files[0] == files[1]
    back = from_nir.from_nir(nir.read(tmp_path / "net.nir"))
    assert back.classes == CLASSES
    expected, found = (reference.run_float(one, images) for one in (passes.fold(frozen), back))
    np.testing.assert_allclose(found.scores, expected.scores, atol=0.3)


def test_a_network_without_gates_needs_no_images(
    classifier_of: Callable[..., models.Classifier], tmp_path: Path
) -> None:
    saved = checkpoint_of(classifier_of, small(attention=spec.StaticGate()))
    written = export.export(saved, "nir", tmp_path / "new" / "net.nir")
    assert written.bytes == (tmp_path / "new" / "net.nir").stat().st_size
    port = convert.to_port(convert.of_nir(written.path))
    assert (port.classes, port.seen, port.image_size) == (CLASSES, (), (16, 16))
    assert port.provenance["nir"] == {"file": "net.nir", "sha256": written.sha256}
    again, rounding = port.fixed, port.rounding
    ports.save(port, tmp_path / "port")
    assert ports.load(tmp_path / "port").rounding == rounding
    images = np.random.default_rng(1).integers(0, 256, (3, 16, 16, 3), np.uint8)
    ours, theirs = (reference.run_fixed(one, images).layers for one in (convert.convert(saved).fixed, again))
    assert all((mine.spikes != other.spikes).mean() < 0.01 for mine, other in zip(ours, theirs, strict=True))


def test_the_relu_twin_is_no_nir(classifier_of: Callable[..., models.Classifier], tmp_path: Path) -> None:
    with pytest.raises(graphs.GraphError, match="relu_1"):
        export.export(checkpoint_of(classifier_of, spec.relu_twin(small())), "nir", tmp_path / "net.nir")


# --- Sources and places


def test_a_source_is_a_run_or_a_port(saved: Checkpoint, port: ports.Port, tmp_path: Path) -> None:
    checkpoints.save(saved, tmp_path / "run")
    ports.save(port, tmp_path / "port")
    assert isinstance(export.open_source(str(tmp_path / "run")), Checkpoint)
    assert isinstance(export.open_source(str(tmp_path / "port")), ports.Port)
    assert isinstance(export.open_source("pretrained"), Checkpoint)
    with pytest.raises(ValueError, match="no RUN"):
        export.open_source(str(tmp_path))


@pytest.mark.parametrize("form", export.FORMATS)
def test_folders_are_not_written_over(saved: Checkpoint, tmp_path: Path, form: export.Format) -> None:
    (tmp_path / "file").write_text("keep me")
    with pytest.raises(ValueError, match="is a folder; name a file"):
        export.export(saved, form, tmp_path)
    with pytest.raises(ValueError, match=r"cannot be written .*file is no folder"):
        export.export(saved, form, tmp_path / "file" / "net")
    (tmp_path / "net.json").mkdir()
    with pytest.raises(ValueError, match=r"net\.json: is a folder"):
        export.export(saved, "stablehlo", tmp_path / "net")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "net.json"]


def test_a_graph_goes_with_nir_only(saved: Checkpoint, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="another graph goes with NIR only"):
        export.export(saved, "safetensors", tmp_path / "net", graph=export.float_graph_of(saved))
    with pytest.raises(ValueError, match="unknown format 'onnx'"):
        export.export(saved, "onnx", tmp_path / "net")  # pyright: ignore[reportArgumentType]
