"""Tables of predictions: through a file and back without a digit lost, and damaged ones refused by their line."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neurallnet_jax.evaluation import predictions
from neurallnet_jax.evaluation.predictions import PredictionTable


def table_of(n: int = 6, seed: int = 0, classes: tuple[str, ...] = ("calm", "wild", "odd")) -> PredictionTable:
    generator = np.random.default_rng(seed)
    labels = np.arange(n) % len(classes)
    return PredictionTable(
        classes=classes,
        paths=tuple(f'{classes[label]}/image {place}, "cut".png' for place, label in enumerate(labels)),
        sha256=tuple(f"{place:064x}" for place in range(n)),
        labels=labels,
        probabilities=generator.dirichlet(np.full(len(classes), 0.1), n),
        seen=np.arange(n) < 2,
        groups=labels + len(classes) * (np.arange(n) // 6),
    )


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "table.csv"
    path.write_text(predictions.to_csv(table_of()), encoding="utf-8")
    return path


@settings(deadline=None, max_examples=20)
@given(seed=st.integers(0, 2**16), n=st.integers(1, 30))
def test_a_table_comes_back_from_its_file_bit_by_bit(tmp_path_factory, seed, n):
    """Dirichlet draws of 0.1 give probabilities down to 1e-30, which six decimals would make equal."""
    table, path = table_of(n, seed), tmp_path_factory.mktemp("table") / "table.csv"
    path.write_text(predictions.to_csv(table), encoding="utf-8")
    found = predictions.read(path)
    for field in dataclasses.fields(table):
        np.testing.assert_array_equal(getattr(found, field.name), getattr(table, field.name), err_msg=field.name)


def edit_cell(path: Path, line: int, column: int, value: str) -> None:
    lines = path.read_text(encoding="utf-8").splitlines()
    # The path holds commas; everything behind it does not.
    head, *cells = lines[line - 1].rsplit(",", 8)
    cells[column - 1] = value
    lines[line - 1] = ",".join([head, *cells])
    path.write_text("\n".join(lines), encoding="utf-8")


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        (1, "angry", "class 'angry' is none of calm, wild, odd"),
        (2, "angry", "class 'angry' is none of calm, wild, odd"),
        (3, "yes", "seen is 'yes'; expected 0 or 1"),
        (4, "much", "'much' is no number"),
        (4, "nan", "probability nan is not in 0..1"),
        (4, "-0.5", "probability -0.5 is not in 0..1"),
        (7, "12ab", "'12ab' is no SHA-256"),
        (8, "-1", "group '-1' is no whole number"),
        (8, "²", "group '²' is no whole number"),
        (8, "1,9", "has 10 cells; expected 9"),
    ],
)
def test_a_damaged_cell_is_refused_with_its_line(file, column, value, message):
    edit_cell(file, 4, column, value)
    with pytest.raises(ValueError, match=r"table\.csv, line 4: ") as refused:
        predictions.read(file)
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("values", "message"),
    [("0.5,0.5,0.5", "sum to 1.5; expected 1"), ("0.1,0.8,0.1", "the prediction is 'calm', which is not the most")],
)
def test_probabilities_that_contradict_themselves_are_refused(file, values, message):
    lines = file.read_text(encoding="utf-8").splitlines()
    lines[2] = f"x.png,wild,calm,0,{values},{'0' * 64},1"
    file.write_text("\n".join(lines), encoding="utf-8")
    with pytest.raises(ValueError, match=r"line 3: ") as refused:
        predictions.read(file)
    assert message in str(refused.value)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "line 1: is empty"),
        (b"path,truth,prediction,seen,a,b\nx,a,a,0,1,0\n", "line 1: the columns are path"),
        (b"path,truth,prediction,seen,a,a,sha256,group\n", "two columns have the same name"),
        (b"path,truth,prediction,seen,a,b,sha256,group\n", "line 1: holds no image"),
        (b"\x89PNG\r\n\xff\xfe", "it is no text"),
        (b"path,truth,prediction,seen,a,b,sha256,group\n" + b"x" * 200_000 + b"\n", "line 2: "),
        (b"path\0,truth", "line 1: "),
    ],
)
def test_what_is_no_table_is_refused_in_one_line(tmp_path, data, message):
    path = tmp_path / "table.csv"
    path.write_bytes(data)
    with pytest.raises(ValueError, match=r"table\.csv") as refused:
        predictions.read(path)
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)
    assert len(str(refused.value)) < 700


def test_a_group_in_two_classes_is_refused(file):
    edit_cell(file, 3, 8, "0")
    with pytest.raises(ValueError, match="group 0 holds images of two classes"):
        predictions.read(file)


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(ValueError, match="No such file"):
        predictions.read(tmp_path / "none.csv")


def test_files_and_names_of_csv_files_are_tables_and_folders_are_not(file, tmp_path):
    assert predictions.is_file(str(file))
    assert predictions.is_file("nowhere.CSV")
    assert not predictions.is_file(str(tmp_path))
    assert not predictions.is_file("pretrained")


def test_columns_are_put_in_order_with_their_labels():
    table = table_of()
    turned = predictions.in_order(table, ("odd", "calm", "wild"))
    np.testing.assert_array_equal(turned.probabilities, table.probabilities[:, [2, 0, 1]])
    assert [turned.classes[k] for k in turned.labels] == [table.classes[k] for k in table.labels]
    with pytest.raises(ValueError, match="knows the classes calm, wild, odd, not calm, wild"):
        predictions.in_order(table, ("calm", "wild"))


def of_dataset(dataset) -> PredictionTable:
    places = [3, 15, 7]
    return PredictionTable(
        dataset.classes,
        tuple("elsewhere.png" for _ in places),
        tuple(dataset.records[place].sha256 for place in places),
        dataset.labels[places].astype(np.int64),
        np.full((3, 2), 0.5),
        np.zeros(3, bool),
        dataset.labels[places].astype(np.int64),
    )


def test_images_are_found_by_their_bytes_wherever_they_lay(dataset):
    assert predictions.match(of_dataset(dataset), dataset, source="a.csv").tolist() == [3, 15, 7]


def test_predictions_of_another_folder_are_refused(dataset):
    table = of_dataset(dataset)
    other = dataclasses.replace(table, sha256=("0" * 64, *table.sha256[1:]))
    with pytest.raises(
        ValueError, match=r"a\.csv: 1 of its 3 images are not in folder, .* predictions of another folder"
    ):
        predictions.match(other, dataset, source="a.csv")


def test_an_image_that_the_folder_calls_otherwise_is_refused(dataset):
    table = of_dataset(dataset)
    other = dataclasses.replace(table, labels=1 - table.labels)
    with pytest.raises(ValueError, match=r"elsewhere\.png is wild there and calm in folder"):
        predictions.match(other, dataset, source="a.csv")


def test_only_and_limit_choose_rows():
    table = table_of(12)
    unseen = predictions.choose(table, only="unseen", limit=None, source="a.csv")
    assert unseen.paths == table.paths[2:]
    np.testing.assert_array_equal(unseen.probabilities, table.probabilities[2:])
    assert predictions.choose(table, only="all", limit=3, source="a.csv").paths == tuple(
        table.paths[i] for i in (0, 6, 11)
    )
    with pytest.raises(ValueError, match="does not say which images the test held"):
        predictions.choose(table, only="test", limit=None, source="a.csv")
    with pytest.raises(ValueError, match="holds no unseen image"):
        predictions.choose(
            dataclasses.replace(table, seen=np.ones(12, bool)), only="unseen", limit=None, source="a.csv"
        )
