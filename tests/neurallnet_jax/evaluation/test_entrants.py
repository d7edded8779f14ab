"""What takes part in a comparison: on which images a model is judged, and what is refused before anything is scored."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from neurallnet_jax import checkpoint, models, spec
from neurallnet_jax.evaluation import comparison, entrants, evaluate, predictions, shortcuts
from neurallnet_jax.evaluation.selection import select
from neurallnet_jax.images import folder, splits


@pytest.fixture
def smears(tmp_path: Path) -> Path:
    """12 images of noise in each of two classes."""
    generator = np.random.default_rng(0)
    for name in ("calm", "wild"):
        (tmp_path / "smears" / name).mkdir(parents=True)
        for place in range(12):
            pixels = generator.integers(0, 256, (8, 8, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "smears" / name / f"{place + 1}.png")
    return tmp_path / "smears"


@pytest.fixture
def opened(smears: Path) -> folder.Dataset:
    return folder.open_folder(smears, (8, 8), classes=("calm", "wild"))


def run_of(saved: checkpoint.Checkpoint, where: Path, *, scale: float = 1.0, **fields: object) -> str:
    """Write a RUN and return its name; `scale` makes another model of it."""
    weights = {name: array * np.float32(scale) for name, array in saved.weights.items()}
    where.mkdir()
    checkpoint.save(dataclasses.replace(saved, weights=weights, **fields), where)  # type: ignore[arg-type]
    return str(where)


def hashes(opened: folder.Dataset, places: range) -> tuple[str, ...]:
    return tuple(opened.records[place].sha256 for place in places)


def test_a_model_is_judged_by_its_test_images_alone(saved, opened):
    model = dataclasses.replace(saved, seen=hashes(opened, range(5)), test=hashes(opened, range(10, 14)))
    assert entrants.own_images(opened, model, name="a").places.tolist() == [10, 11, 12, 13]


def test_elsewhere_it_is_judged_by_all_that_it_has_not_seen(saved, opened):
    model = dataclasses.replace(saved, seen=hashes(opened, range(5)), test=("0" * 64,))
    assert entrants.own_images(opened, model, name="a").places.tolist() == list(range(5, 24))


def test_a_model_that_has_seen_everything_is_refused(saved, opened):
    model = dataclasses.replace(saved, seen=hashes(opened, range(24)), test=())
    with pytest.raises(ValueError, match="a: training or selection has seen all 24 images of"):
        entrants.own_images(opened, model, name="a")


def test_runs_and_tables_stand_side_by_side(saved, smears, opened, tmp_path):
    test = hashes(opened, range(6, 18))
    runs = [run_of(saved, tmp_path / name, scale=s, test=test, seen=()) for name, s in (("a", 1.0), ("b", 0.9))]
    loaded = checkpoint.load(runs[0])
    expected = evaluate.evaluate(loaded, opened, select(opened, seen=(), test=test, only="test"))
    table = tmp_path / "c.csv"
    table.write_text(evaluate.predictions_csv(expected), encoding="utf-8")
    found, bad = entrants.open_entrants([*runs, str(table)], data=smears, passes=1)
    assert [one.name for one in found] == [*runs, str(table)]
    assert len({one.digest for one in found}) == 3
    assert bad == ()
    assert found[2].footprint is None
    for one in found:
        assert one.table is not None
        assert len(one.table) == 12
    assert found[0].table is not None
    assert found[2].table is not None
    np.testing.assert_array_equal(found[0].table.probabilities, found[2].table.probabilities)
    np.testing.assert_array_equal(found[0].table.groups, found[2].table.groups)
    assert [one.colour for one in found] == [None, None, None]
    assert "the folder lacks a record of the images" in str(found[0].colour_reason)
    assert "only its predictions were given" in str(found[2].colour_reason)


def test_what_colour_says_of_the_test_images_stands_beside_a_run(saved, smears, opened, tmp_path):
    """Noise tells no classes apart, so the line is checked against the nearest neighbours themselves."""
    test, seen = hashes(opened, range(6, 18)), hashes(opened, range(0, 6)) + hashes(opened, range(18, 24))
    run = run_of(saved, tmp_path / "a", test=test, seen=seen)
    (one,), _ = entrants.open_entrants([run], data=smears, passes=1)
    wide = folder.open_folder(smears, shortcuts.SIZE, classes=opened.classes)
    known = np.array([*range(6), *range(18, 24)])
    said = shortcuts.colour_answers(wide, known, np.arange(6, 18))
    assert one.colour is not None
    assert one.colour_reason is None
    np.testing.assert_array_equal(one.colour.probabilities.argmax(axis=1), said)
    (row,) = comparison.compare([one]).models
    assert row.colour_line == shortcuts.colour_line(wide, known, np.arange(6, 18))


def test_without_a_folder_runs_have_costs_and_no_scores(saved, tmp_path):
    found, _ = entrants.open_entrants([run_of(saved, tmp_path / "a")], data=None, passes=1)
    assert found[0].table is None
    assert found[0].footprint is not None


def test_copies_are_known_and_another_temperature_makes_another_model(saved, tmp_path):
    runs = [
        run_of(saved, tmp_path / "a"),
        run_of(saved, tmp_path / "copy"),
        run_of(saved, tmp_path / "warm", temperature=2.0),
    ]
    first, copy, warm = entrants.open_entrants(runs, data=None, passes=0)[0]
    assert first.digest == copy.digest != warm.digest


def test_what_cannot_be_compared_is_refused_in_one_line(saved, smears, opened, tmp_path):
    fresh = {"seen": (), "test": ()}
    a = run_of(saved, tmp_path / "a", **fresh)
    other = run_of(saved, tmp_path / "other", scale=0.9, classes=("calm", "odd"), **fresh)
    table = predictions.to_csv(evaluate.tabulate_model(saved, opened, select(opened, seen=())))
    (tmp_path / "c.csv").write_text(table, encoding="utf-8")
    (tmp_path / "cut.csv").write_text(table[:-30], encoding="utf-8")
    (tmp_path / "strange.csv").write_text(table.replace(opened.records[3].sha256, "0" * 64), encoding="utf-8")
    for names, data, message in (
        ([a, a], smears, "is named twice"),
        ([a, other], smears, "only models of the same classes can be compared"),
        ([a, str(tmp_path / "c.csv")], None, "has no images to be compared with"),
        ([a, str(tmp_path / "cut.csv")], smears, "cut.csv, line 25: "),
        ([a, str(tmp_path / "strange.csv")], smears, "predictions of another folder"),
        ([str(tmp_path / "nothing.csv")], None, "cannot be read as predictions"),
        ([a, "nowhere"], smears, "nowhere: no RUN"),
        ([a], tmp_path / "nowhere", "does not exist"),
    ):
        with pytest.raises(ValueError, match=message) as refused:
            entrants.open_entrants(names, data=data, passes=0)
        assert "\n" not in str(refused.value)


def test_a_folder_without_one_of_the_classes_is_refused(saved, smears, tmp_path):
    for file in (smears / "wild").iterdir():
        file.unlink()
    (smears / "wild").rmdir()
    with pytest.raises(ValueError, match="holds no image of class wild"):
        entrants.open_entrants([run_of(saved, tmp_path / "a", seen=(), test=())], data=smears, passes=0)


def test_bad_images_are_skipped_where_asked_and_named(saved, smears, tmp_path):
    (smears / "calm" / "13.png").write_bytes(b"no image")
    run = run_of(saved, tmp_path / "a", seen=(), test=())
    _, bad = entrants.open_entrants([run], data=smears, on_bad_image="skip", passes=0)
    assert [one.path for one in bad] == ["calm/13.png"]
    with pytest.raises(ValueError, match=r"13\.png"):
        entrants.open_entrants([run], data=smears, passes=0)


@pytest.mark.real
def test_real_runs_of_one_fold_are_compared_on_its_test_images_in_blocks(real_data, classifier_of, tmp_path):
    """Two untrained networks; the test part of the first contiguous fold, whose Benign images lie in two blocks of 48."""
    names = ("Benign", "Early Pre-B", "Pre-B", "Pro-B")
    network = spec.neurallnet(4, widths=(4,), image_size=(16, 16), steps=2)
    real = folder.open_folder(real_data / "taleqani", (16, 16), classes=names)
    parts = splits.make_split(real.records, scheme="contiguous", fold=0)
    test, train = ([real.records[p].sha256 for p in splits.indices(parts, part)] for part in ("test", "train"))
    runs = []
    for seed in range(2):
        drawn = classifier_of(network, names, seed=seed)
        weights = models.to_weights(drawn.variables)
        (tmp_path / str(seed)).mkdir()
        checkpoint.save(
            checkpoint.Checkpoint(network, weights, drawn.preprocessing, names, tuple(train), tuple(test)),
            tmp_path / str(seed),
        )
        runs.append(str(tmp_path / str(seed)))
    found = comparison.compare(entrants.open_entrants(runs, data=real.root, passes=1)[0], draws=100)
    assert found.shared == len(set(test))
    blocks = {(record.label, (record.number - 1) // 48) for record in real.records if record.sha256 in set(test)}
    assert 4 < sum(found.groups) <= len(blocks)
    assert all(test.p_holm is None or test.p_holm >= test.p for test in found.tests if test.p is not None)
