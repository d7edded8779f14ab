"""Ablations of a toy: RUNs that are shared, go on after any end, and are scored as `evaluate` scores them."""

import dataclasses
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import jax
import numpy as np
import pytest
from PIL import Image

from neurallnet_jax import checkpoint, config, models, spec
from neurallnet_jax.evaluation import ablation, ablation_results, arms, evaluate, selection
from neurallnet_jax.images import folder
from neurallnet_jax.training import loop
from neurallnet_jax.training import run as runs
from neurallnet_jax.training.alone import alone

SIDE = 8


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two classes of 60 squares of noise, one brighter in red and one in blue; a group is 48 numbers."""
    root, rng = tmp_path_factory.mktemp("squares"), np.random.default_rng(0)
    for channel, name in ((0, "red"), (2, "blue")):
        (root / name).mkdir()
        for number in range(1, 61):
            pixels = rng.integers(60, 140, (SIDE, SIDE, 3))
            pixels[..., channel] += 60
            Image.fromarray(pixels.astype(np.uint8)).save(root / name / f"{number}.png")
    return root


def protocol_of(data: Path) -> ablation.Protocol:
    network = spec.neurallnet(2, widths=(4,), image_size=(SIDE, SIDE), steps=3, attention=spec.SqueezeExcite(delay=2))
    training = config.Training(epochs=2, batch_size=16, warmup_epochs=0, augmentation=config.NO_AUGMENTATION)
    return ablation.Protocol(str(data), network, training, split="random")


@pytest.fixture(scope="module")
def protocol(data: Path) -> ablation.Protocol:
    return protocol_of(data)


@pytest.fixture(scope="module")
def done(
    protocol: ablation.Protocol, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, ablation_results.Ablation]:
    """`none` and `identity` beside the baseline, two seeds; copy the folder before going on."""
    out = tmp_path_factory.mktemp("ablation") / "out"
    result = ablation.ablate(protocol, out, words=["none", "identity"], seeds=2)
    assert result is not None
    return out, result


def lines(out: Path) -> list[dict]:
    return [json.loads(line) for line in (out / "results.jsonl").read_text(encoding="utf-8").splitlines()]


def test_every_arm_and_seed_is_a_run_and_a_line(done):
    out, result = done
    assert [arm.name for arm in result.arms] == ["se", "none", "identity"]
    asked = [(arm, seed) for seed in range(2) for arm in ("se", "none", "identity")]
    assert [(line["arm"], line["seed"]) for line in lines(out)] == asked
    for arm, seed in asked:
        run = out / "runs" / arm / f"seed-{seed}"
        assert (run / checkpoint.FILE_NAME).exists()
        assert not (run / "states").exists(), "states of a finished training take room for nothing"
        assert runs.begun(run).seed == seed
    assert {one.run for one in result.outcomes} == {f"runs/{arm}/seed-{seed}" for arm, seed in asked}


def test_gates_of_one_train_to_the_very_network_without_gates(done):
    _, result = done
    assert result.identity_equals_none is True
    weights = {(one.arm, one.seed): one.weights for one in result.outcomes}
    assert weights["none", 0] == weights["identity", 0] != weights["none", 1]
    assert weights["se", 0] != weights["none", 0]


def test_figures_are_those_of_evaluate_on_the_test_images(done, data):
    out, result = done
    one = result.outcomes[0]
    saved = checkpoint.load(out / one.run)
    dataset = folder.open_folder(data, (SIDE, SIDE), classes=saved.classes)
    chosen = selection.select(dataset, seen=saved.seen, test=saved.test, only="test")
    expected = evaluate.evaluate(saved, dataset, chosen)
    assert one.balanced_accuracy == expected.scores.balanced_accuracy
    assert [saved.classes[place] for place in one.predicted] == [entry.label for entry in expected.predictions]
    assert [saved.classes[place] for place in one.labels] == [entry.truth for entry in expected.predictions]
    assert one.parameters == sum(w.size for name, w in saved.weights.items() if name.startswith("params/"))
    classifier = models.from_checkpoint(saved)
    pixels = np.asarray(dataset.pixels[chosen.places], np.float32)
    rate = float(jax.jit(classifier.apply)(classifier.variables, pixels, jax.random.key(0)).rates["lif_1"])
    assert one.rates == pytest.approx({"lif_1": rate}, abs=1e-6)
    # 4 x 4 places, 4 channels, 3 steps.
    assert one.spikes == pytest.approx(rate * 4 * 4 * 4 * 3, rel=1e-5)
    assert one.rate == pytest.approx(rate, rel=1e-5)


def test_a_finished_folder_gives_its_table_without_images_or_training(done, protocol, monkeypatch, tmp_path):
    out, result = done
    shutil.copytree(out, tmp_path / "out")
    monkeypatch.setattr(folder, "open_folder", None)
    monkeypatch.setattr(runs, "train", None)
    again = ablation.ablate(protocol, tmp_path / "out", words=["none", "identity"], seeds=2, resume=True)
    assert again == result
    assert ablation.table(tmp_path / "out") == result
    assert [arm.name for arm in ablation.table(tmp_path / "out", words=["none"], seeds=1).arms] == ["se", "none"]


def test_other_studies_of_the_same_folder_share_its_runs(done, protocol, tmp_path):
    out, _ = done
    shutil.copytree(out, tmp_path / "out")
    heard = []
    result = ablation.ablate(
        protocol, tmp_path / "out", words=["steps-1"], seeds=1, resume=True, heard=lambda *told: heard.append(told)
    )
    assert result is not None
    assert [(one.arm, place, total) for one, place, total in heard] == [
        ("se", 1, 3),
        ("static", 2, 3),
        ("steps-1", 3, 3),
    ]
    assert len(lines(tmp_path / "out")) == 6 + 2
    assert result.arms[-1].reference == "static"
    assert ablation.begun(tmp_path / "out") == ablation.Begun(protocol, ("none", "identity", "steps-1"), 2)


def test_a_line_that_was_cut_short_is_trained_no_second_time(done, protocol, tmp_path, monkeypatch):
    """Killed while writing the last line: its RUN is there, and is scored again."""
    out, result = done
    shutil.copytree(out, tmp_path / "out")
    path = tmp_path / "out" / "results.jsonl"
    path.write_bytes(path.read_bytes()[:-20])
    assert len(ablation.read_results(tmp_path / "out")) == 5
    monkeypatch.setattr(loop, "fit", None)
    again = ablation.ablate(protocol, tmp_path / "out", words=["none", "identity"], seeds=2, resume=True)
    assert again == result
    assert len(lines(tmp_path / "out")) == 6


def test_a_stopped_training_leaves_no_line_and_goes_on_to_the_same_weights(done, protocol, tmp_path):
    class Stop(runs.Watcher):
        def should_stop(self) -> bool:
            return True

    @contextmanager
    def watching(name: str) -> Iterator[runs.Watcher]:
        assert name == "se, seed 0 (1 of 2)"
        yield Stop()

    out = tmp_path / "out"
    assert ablation.ablate(protocol, out, words=["none"], seeds=1, watching=watching) is None
    assert ablation.read_results(out) == []
    with pytest.raises(ValueError, match="nothing of this is finished yet"):
        ablation.table(out)
    result = ablation.ablate(protocol, out, words=["none"], seeds=1, resume=True)
    assert result is not None
    expected = {(one.arm, one.seed): one.weights for one in done[1].outcomes}
    assert [one.weights for one in result.outcomes] == [expected["se", 0], expected["none", 0]]


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="kills a process the POSIX way")
def test_a_killed_ablation_goes_on_to_the_same_weights(done, data, protocol, tmp_path):
    out = tmp_path / "out"
    code = (
        "import sys; from pathlib import Path; from neurallnet_jax.evaluation import ablation; "
        f"sys.path.insert(0, {str(Path(__file__).parent)!r}); import test_ablation as t; "
        f"ablation.ablate(t.protocol_of(Path({str(data)!r})), Path({str(out)!r}), words=['none'], seeds=2)"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    )
    deadline = time.monotonic() + 300
    while not (out / "results.jsonl").exists() or not ablation.read_results(out):
        assert process.poll() is None, "it ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert len(ablation.read_results(out)) < 4
    result = ablation.ablate(protocol, out, words=["none"], seeds=2, resume=True)
    assert result is not None
    expected = {(one.arm, one.seed): one.weights for one in done[1].outcomes if one.arm != "identity"}
    assert {(one.arm, one.seed): one.weights for one in result.outcomes} == expected


def test_a_training_that_comes_to_no_number_is_an_outcome_and_the_rest_goes_on(protocol, tmp_path, monkeypatch):
    whole = loop.fit

    def fit(classifier: models.Classifier, *args: object, **kwargs: object) -> loop.Fitted:
        if not any(isinstance(layer, spec.SqueezeExcite) for layer in classifier.spec.layers):
            raise loop.DivergedError("step 3: the loss is not a number")
        return whole(classifier, *args, **kwargs)  # pyright: ignore[reportArgumentType]

    monkeypatch.setattr(loop, "fit", fit)
    result = ablation.ablate(protocol, tmp_path / "out", words=["none", "se-delay-0"], seeds=1)
    assert result is not None
    states = {arm.name: ablation_results.state(arm) for arm in result.arms}
    assert states == {"se": "ok", "none": "failed: 1 of 1", "se-delay-0": "ok"}
    assert lines(tmp_path / "out")[1]["error"] == "step 3: the loss is not a number"


def test_rates_weigh_every_image_alike_whatever_the_batch(classifier_of):
    network = spec.neurallnet(2, widths=(4,), image_size=(SIDE, SIDE), steps=3, attention=None)
    classifier = classifier_of(network, ("a", "b"))
    pixels = np.random.default_rng(1).integers(0, 256, (7, SIDE, SIDE, 3), dtype=np.uint8)
    whole = ablation.firing_rates(classifier, pixels, batch_size=7)
    assert 0 < whole["lif_1"] < 1
    assert ablation.firing_rates(classifier, pixels, batch_size=3) == pytest.approx(whole, abs=1e-6)
    assert ablation.firing_rates(classifier_of(spec.relu_twin(network), ("a", "b")), pixels) == {}


def test_another_protocol_than_the_folder_s_is_refused_by_name(done, protocol):
    out, _ = done
    training = dataclasses.replace(protocol.training, epochs=5)
    with pytest.raises(ValueError, match=r"was begun with other settings \(training.epochs was 2, is 5\)"):
        ablation.ablate(dataclasses.replace(protocol, training=training), out, resume=True)
    with pytest.raises(ValueError, match="the layers differ"):
        ablation.ablate(
            dataclasses.replace(protocol, network=arms.baseline(protocol.network, delay=0)), out, resume=True
        )


def test_bad_requests_are_refused_before_anything_is_written(done, protocol, tmp_path):
    out = tmp_path / "out"
    with pytest.raises(ValueError, match="no study or arm 'gates'"):
        ablation.ablate(protocol, out, words=["gates"])
    with pytest.raises(ValueError, match="seeds is 0; expected at least 1"):
        ablation.ablate(protocol, out, seeds=0)
    with pytest.raises(ValueError, match="nowhere"):
        ablation.ablate(dataclasses.replace(protocol, data=str(tmp_path / "nowhere")), out)
    with pytest.raises(ValueError, match="fold is 7"):
        ablation.ablate(dataclasses.replace(protocol, fold=7), out)
    with pytest.raises(ValueError, match="'all' keeps no images for a test"):
        dataclasses.replace(protocol, split="all")
    with pytest.raises(ValueError, match="no ablation to resume"):
        ablation.ablate(protocol, out, resume=True)
    assert not out.exists()
    with pytest.raises(ValueError, match="holds an ablation already; add --resume"):
        ablation.ablate(protocol, done[0])


def test_a_manifest_without_test_images_is_refused(protocol, data, tmp_path):
    dataset = folder.open_folder(data, (SIDE, SIDE))
    rows = [f"{one.path},{one.sha256},{'validation' if one.number % 5 == 0 else 'train'}" for one in dataset.records]
    manifest = tmp_path / "split.csv"
    manifest.write_text("\n".join(["path,sha256,part", *rows]) + "\n")
    with pytest.raises(ValueError, match="names no image for the test"):
        ablation.ablate(dataclasses.replace(protocol, split=str(manifest)), tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "ablation.json: cannot be read"),
        ("\xff\xfe", "ablation.json: cannot be read"),
        ('{"format_version": 9}', "format version 9"),
        ('{"format_version": 1}', "does not say what"),
    ],
)
def test_a_damaged_record_is_refused(tmp_path, text, message):
    (tmp_path / "ablation.json").write_text(text, encoding="latin-1")
    with pytest.raises(ValueError, match=message):
        ablation.begun(tmp_path)


def test_a_line_that_is_no_result_is_named(tmp_path):
    (tmp_path / "results.jsonl").write_text('{"arm": "se", "seed": 0, "run": "x"}\n{"mood": 3}\n')
    with pytest.raises(ValueError, match=r"results.jsonl, line 2: is no result of this release"):
        ablation.read_results(tmp_path)
    (tmp_path / "results.jsonl").write_bytes(b"\xff\xfe\n")
    with pytest.raises(ValueError, match=r"results.jsonl: is no text"):
        ablation.read_results(tmp_path)


def test_a_second_process_in_the_folder_is_refused(done, protocol):
    with alone(done[0]), pytest.raises(ValueError, match=f"process {os.getpid()} is at work in it"):
        ablation.ablate(protocol, done[0], resume=True)
