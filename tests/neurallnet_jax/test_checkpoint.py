import dataclasses
import errno
import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from safetensors import safe_open
from safetensors.numpy import save_file

from neurallnet_jax import checkpoint, spec
from neurallnet_jax.checkpoint import Checkpoint, Preprocessing
from neurallnet_jax.trust import Abstention, ConformalRule, Region, Trust

NETWORK = spec.Network((spec.Dense(3), spec.Lif(), spec.Dense(2), spec.Readout()), image_size=(2, 2), steps=2)


def a_hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


@pytest.fixture
def trained() -> Checkpoint:
    rng = np.random.default_rng(0)
    shapes = {"dense_1/kernel": (12, 3), "dense_1/bias": (3,), "dense_2/kernel": (3, 2), "dense_2/bias": (2,)}
    return Checkpoint(
        spec=NETWORK,
        weights={f"params/{name}": rng.normal(size=shape).astype(np.float32) for name, shape in shapes.items()},
        preprocessing=Preprocessing(offset=(1, 2, 3), scale=60.1, white_level=230),
        classes=("good", "bäd"),
        seen=(a_hash("b"), a_hash("a")),
        test=(a_hash("c"),),
        provenance={"command": "neurallnet train", "split": {"fold": 0}, "source": None, "score": 0.1},
        temperature=1 / 3,
    )


def alike(left: Checkpoint, right: Checkpoint) -> bool:
    fields = {field.name for field in dataclasses.fields(Checkpoint)} - {"weights", "seen", "test"}
    return (
        all(getattr(left, field) == getattr(right, field) for field in fields)
        and sorted(left.seen) == sorted(right.seen)
        and sorted(left.test) == sorted(right.test)
        and left.weights.keys() == right.weights.keys()
        and all(
            left.weights[name].dtype == right.weights[name].dtype
            and left.weights[name].shape == right.weights[name].shape
            and left.weights[name].tobytes() == right.weights[name].tobytes()
            for name in left.weights
        )
    )


def test_a_checkpoint_survives_the_trip_to_disk_bit_for_bit(trained, tmp_path):
    path = checkpoint.save(trained, tmp_path / "new" / "run")
    assert path == tmp_path / "new" / "run" / checkpoint.FILE_NAME
    assert alike(checkpoint.load(path.parent), trained)
    assert [entry.name for entry in path.parent.iterdir()] == [checkpoint.FILE_NAME]


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    scalar=st.floats(width=32, allow_nan=False, allow_infinity=False),
    array=hnp.arrays(np.float32, (3, 2), elements=st.floats(width=32, allow_nan=False, allow_infinity=False)),
)
def test_any_finite_weight_survives_scalars_and_views_included(trained, tmp_path, scalar, array):
    weights = {**trained.weights, "params/lif_1/dv": np.float32(scalar).reshape(()), "params/dense_2/kernel": array.T}
    changed = dataclasses.replace(trained, weights=weights)
    checkpoint.save(changed, tmp_path)
    assert alike(checkpoint.load(tmp_path), changed)


def test_the_hashes_of_seen_images_are_kept_once_and_sorted(trained, tmp_path):
    twice = dataclasses.replace(trained, seen=(a_hash("z"), a_hash("a"), a_hash("z")), test=())
    checkpoint.save(twice, tmp_path)
    loaded = checkpoint.load(tmp_path)
    assert loaded.seen == tuple(sorted((a_hash("a"), a_hash("z"))))
    assert loaded.test == ()


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_one_flipped_bit_anywhere_is_noticed(trained, tmp_path, place, bit):
    path = checkpoint.save(trained, tmp_path)
    data = bytearray(path.read_bytes())
    data[int(place * len(data))] ^= 1 << bit
    path.write_bytes(bytes(data))
    with pytest.raises(ValueError, match="checkpoint"):
        checkpoint.load(tmp_path)


def test_a_changed_weight_is_called_damage(trained, tmp_path):
    path = checkpoint.save(trained, tmp_path)
    path.write_bytes(path.read_bytes()[:-1] + b"\0")
    with pytest.raises(ValueError, match="its bytes do not match its digest; the file is damaged, copy or train"):
        checkpoint.load(tmp_path)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(share=st.floats(0, 1, exclude_max=True))
def test_a_file_cut_short_is_refused(trained, tmp_path, share):
    path = checkpoint.save(trained, tmp_path)
    data = path.read_bytes()
    path.write_bytes(data[: int(share * len(data))])
    with pytest.raises(ValueError, match="cannot be read as a checkpoint"):
        checkpoint.load(tmp_path)


def rewritten(path: Path, **changes: object) -> None:
    """Change the header of a checkpoint as another release might have written it, its digest included."""
    with safe_open(str(path), framework="numpy") as file:
        header = json.loads(file.metadata()["checkpoint"])
        arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    header = {name: value for name, value in (header | changes).items() if value is not ...}
    text = json.dumps(header)
    digest = checkpoint._digest(arrays, text)
    save_file(arrays, str(path), metadata={"checkpoint": text, "sha256": digest})


def test_a_checkpoint_of_version_1_is_read_without_a_white_level(trained, tmp_path):
    path = checkpoint.save(trained, tmp_path)
    rewritten(path, format_version=1, preprocessing={"offset": [1, 2, 3], "scale": 60.1})
    assert checkpoint.load(tmp_path).preprocessing == Preprocessing((1, 2, 3), 60.1)


@pytest.mark.parametrize("level", [0, 256, 2.5, "bright"])
def test_a_white_level_that_is_no_grey_level_is_refused(level):
    with pytest.raises(ValueError, match="white_level is"):
        Preprocessing(white_level=level)


def test_a_newer_version_is_refused_with_the_remedy(trained, tmp_path):
    rewritten(checkpoint.save(trained, tmp_path), format_version=checkpoint.FORMAT_VERSION + 1)
    with pytest.raises(ValueError, match=r"format version 3, this release reads up to 2; upgrade neurallnet-jax"):
        checkpoint.load(tmp_path)


TRUST = Trust(
    ConformalRule("aps", 0.9, (0.7, 1 / 3), 50),
    Abstention(0.6, "answered", 0.95),
    (Region("focus", (0.1,), ((1 / 7,),), 0.0, 1.9),),
    {"images": 50},
)


def test_what_calibrate_fitted_survives_the_trip_to_disk(trained, tmp_path):
    fitted = dataclasses.replace(trained, trust=TRUST)
    checkpoint.save(fitted, tmp_path)
    assert checkpoint.load(tmp_path).trust == TRUST
    assert checkpoint.digest(fitted) == checkpoint.digest(trained)


def test_a_file_from_before_trust_loads_and_one_without_it_has_the_bytes_of_old(trained, tmp_path):
    path = checkpoint.save(trained, tmp_path)
    assert b"trust" not in path.read_bytes()
    rewritten(path, trust=None)
    assert checkpoint.load(tmp_path).trust is None


def test_quantiles_for_other_classes_are_refused(trained):
    three = dataclasses.replace(TRUST, conformal=ConformalRule("lac", 0.9, (0.1, 0.2, 0.3), 50))
    with pytest.raises(ValueError, match="trust: 3 quantiles for 2 classes"):
        dataclasses.replace(trained, trust=three)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"trust": {"conformal": 3}}, "trust: cannot be read .*run `neurallnet calibrate` again"),
        ({"trust": []}, "trust: cannot be read"),
        ({"classes": ["a", "b", "c"]}, "3 class names for a network of 2 classes"),
        ({"classes": ...}, "classes"),
        ({"preprocessing": {}}, "offset"),
        ({"spec": {"layers": [{"type": "Gru"}]}}, "layer 0: unknown type 'Gru'"),
    ],
)
def test_a_header_that_makes_no_checkpoint_is_refused_with_the_file_named(trained, tmp_path, changes, message):
    rewritten(checkpoint.save(trained, tmp_path), **changes)
    with pytest.raises(ValueError, match=rf"{checkpoint.FILE_NAME}: .*{message}"):
        checkpoint.load(tmp_path)


def test_tensors_of_something_else_are_no_checkpoint(tmp_path):
    save_file({"weight": np.zeros(3, np.float32)}, str(tmp_path / checkpoint.FILE_NAME))
    with pytest.raises(ValueError, match="holds tensors but no checkpoint"):
        checkpoint.load(tmp_path)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 not tensors", b"\xff" * 64, b"{}" * 100])
def test_a_file_that_holds_no_tensors_is_refused(tmp_path, content):
    (tmp_path / checkpoint.FILE_NAME).write_bytes(content)
    with pytest.raises(ValueError, match="cannot be read as a checkpoint"):
        checkpoint.load(tmp_path)


def test_a_missing_run_is_refused_with_what_to_name(tmp_path):
    with pytest.raises(ValueError, match=r"nowhere: no RUN .*name one that `neurallnet train` wrote, or 'pretrained'"):
        checkpoint.load(tmp_path / "nowhere")


def test_a_run_is_known_by_its_checkpoint(trained, tmp_path):
    assert not checkpoint.is_run(str(tmp_path))
    checkpoint.save(trained, tmp_path)
    assert checkpoint.is_run(str(tmp_path))
    assert checkpoint.is_run(checkpoint.PRETRAINED)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_weights_that_are_no_numbers_are_refused_by_name(trained, value):
    broken = {**trained.weights, "params/dense_2/bias": np.array([0, value], np.float32)}
    with pytest.raises(ValueError, match="'params/dense_2/bias' holds NaN or infinity"):
        dataclasses.replace(trained, weights=broken)


def test_as_many_class_names_as_outputs_are_needed(trained):
    with pytest.raises(ValueError, match="1 class names for a network of 2 classes"):
        dataclasses.replace(trained, classes=("only",))


@pytest.mark.parametrize("failing", ["write", "replace"])
def test_when_the_disk_is_full_the_old_file_stays_and_nothing_else(trained, tmp_path, monkeypatch, failing):
    path = checkpoint.save(trained, tmp_path)
    old = path.read_bytes()

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(*((checkpoint.os, "fsync") if failing == "write" else (Path, "replace")), full)
    with pytest.raises(ValueError, match=r"No space left on device.*free space or name another place"):
        checkpoint.save(dataclasses.replace(trained, temperature=9.0), tmp_path)
    assert path.read_bytes() == old
    assert list(tmp_path.iterdir()) == [path]


def test_a_place_that_is_a_file_cannot_be_written(trained, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(ValueError, match="cannot be written"):
        checkpoint.save(trained, tmp_path / "file")


def test_a_written_file_can_be_read_by_those_the_umask_allows(tmp_path):
    (tmp_path / "plain").write_text("")
    checkpoint.write_atomically(tmp_path / "file", b"x")
    assert (tmp_path / "file").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_the_sizes_of_the_layers_sum_to_the_parameters(trained):
    statistics = {"batch_stats/norm_1/mean": np.zeros(3, np.float32), "params/norm_1/scale": np.ones(3, np.float32)}
    layers = (spec.Dense(3), spec.BatchNorm(), spec.Lif(), spec.Dense(2), spec.Readout())
    rows = checkpoint.layer_sizes(
        dataclasses.replace(
            trained, spec=dataclasses.replace(NETWORK, layers=layers), weights={**trained.weights, **statistics}
        )
    )
    assert [(row.name, row.kind, row.shape) for row in rows][:2] == [
        ("dense_1", "Dense", (3,)),
        ("norm_1", "BatchNorm", (3,)),
    ]
    assert [row.parameters for row in rows] == [12 * 3 + 3, 3, 0, 3 * 2 + 2, 0]
    assert [row.bytes for row in rows] == [4 * 39, 4 * 6, 0, 4 * 8, 0]


def test_the_digest_tells_weights_and_specs_apart(trained):
    same = checkpoint.digest(dataclasses.replace(trained, classes=("x", "y"), temperature=None))
    assert checkpoint.digest(trained) == same
    moved = {name: array + np.float32(1e-3) for name, array in trained.weights.items()}
    assert checkpoint.digest(dataclasses.replace(trained, weights=moved)) != same
    assert checkpoint.digest(dataclasses.replace(trained, spec=dataclasses.replace(NETWORK, steps=3))) != same


def test_layers_of_another_network_are_told_by_their_weights(trained):
    weights = {
        "params/conv/kernel": np.ones((3, 3, 2, 4), np.float32),
        "params/norm/gamma": np.ones(4, np.float32),
        "batch_stats/norm/moving_mean": np.ones(4, np.float32),
        "params/head/kernel": np.ones((4, 2), np.float32),
        "params/head/bias": np.ones(2, np.float32),
    }
    saved = dataclasses.replace(trained, spec=spec.KerasNetwork("resnet50", classes=2), weights=weights)
    rows = checkpoint.layer_sizes(saved)
    assert [(row.name, row.kind, row.parameters, row.bytes, row.shape) for row in rows] == [
        ("conv", "Conv", 72, 288, ()),
        ("head", "Dense", 10, 40, ()),
        ("norm", "BatchNorm", 4, 32, ()),
    ]
    shapes = {"conv": (5, 5, 4), "norm": (5, 5, 4), "head": (2,)}
    ordered = checkpoint.layer_sizes(saved, shapes)
    assert [(row.name, row.shape) for row in ordered] == list(shapes.items())


def test_a_network_of_others_survives_its_file(trained, tmp_path):
    saved = dataclasses.replace(trained, spec=spec.AlexNet(classes=2))
    checkpoint.save(saved, tmp_path)
    assert checkpoint.load(tmp_path).spec == spec.AlexNet(classes=2)
