import csv
import itertools
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neurallnet_jax.images.classes import CLASSES
from neurallnet_jax.images.folder import Dataset, Record, open_folder
from neurallnet_jax.images.splits import (
    TEST_MARGIN,
    Scheme,
    Split,
    digest,
    groups,
    indices,
    make_split,
    read_split,
    write_split,
)
from neurallnet_jax.images.twins import fingerprints, twin_groups, twin_pairs

DATA = Path(__file__).resolve().parents[3] / "data"


def smears(*numbers: range | list[int]) -> list[Record]:
    """Return records with the capture numbers of each class, latest first, the classes interleaved."""
    per_class = [
        [Record(f"{'abcd'[label]}/{number:04}.png", f"{label:032x}{number:032x}", label, number) for number in some][
            ::-1
        ]
        for label, some in enumerate(numbers)
    ]
    return [record for some in itertools.zip_longest(*per_class) for record in some if record is not None]


def dataset_of(records: list[Record]) -> Dataset:
    return Dataset(Path("smears"), tuple("abcd"), tuple(records), np.zeros((len(records), 2, 2, 3), np.uint8))


def numbers_of(records: list[Record], split: Split, part, label: int = 0) -> list[int]:
    return sorted(records[place].number for place in indices(split, part) if records[place].label == label)


def runs(numbers: list[int]) -> list[tuple[int, int]]:
    cuts = [0, *(i for i in range(1, len(numbers)) if numbers[i] != numbers[i - 1] + 1), len(numbers)]
    return [(numbers[low], numbers[high - 1]) for low, high in itertools.pairwise(cuts)]


def test_contiguous_split_of_600_numbers_worked_out_by_hand():
    """Fold 1 of 600 tests on 121-240 and leaves out 97-120 and 241-264.

    Blocks of 48 are 1-48, 49-96, 97-144 (cut), ..., 241-288 (cut), 289-336, ...; the whole ones are 1-48, 49-96,
    289-336, 337-384, 385-432, 433-480, 481-528, 529-576, 577-600. The third and the eighth validate: 289-336 and
    529-576, with 281-288, 337-344, 521-528 and 577-584 left out.
    """
    records = smears(range(1, 601))
    split = make_split(records, scheme="contiguous", fold=1)
    assert runs(numbers_of(records, split, "test")) == [(121, 240)]
    assert runs(numbers_of(records, split, "validation")) == [(289, 336), (529, 576)]
    assert runs(numbers_of(records, split, "unused")) == [
        (97, 120),
        (241, 264),
        (281, 288),
        (337, 344),
        (521, 528),
        (577, 584),
    ]
    assert runs(numbers_of(records, split, "train")) == [(1, 96), (265, 280), (345, 520), (585, 600)]


def test_contiguous_split_with_100_numbers_left_out_worked_out_by_hand():
    """Fold 1 of 600 tests on 121-240 and leaves out 21-120 and 241-340.

    The whole blocks that this leaves are 385-432, 433-480, 481-528, 529-576 and 577-600; the third validates, 481-528,
    with 473-480 and 529-536 left out. 1-20 and 341-384 lie in blocks that the margin cuts, and train.
    """
    records = smears(range(1, 601))
    split = make_split(records, scheme="contiguous", fold=1, margin=100)
    assert split.margin == 100
    assert runs(numbers_of(records, split, "test")) == [(121, 240)]
    assert runs(numbers_of(records, split, "validation")) == [(481, 528)]
    assert runs(numbers_of(records, split, "unused")) == [(21, 120), (241, 340), (473, 480), (529, 536)]
    assert runs(numbers_of(records, split, "train")) == [(1, 20), (341, 472), (537, 600)]


def test_without_a_margin_what_is_no_test_begins_next_to_it():
    """The third whole block is 241-288 and validates."""
    records = smears(range(1, 601))
    split = make_split(records, scheme="contiguous", fold=1, margin=0)
    assert runs(numbers_of(records, split, "test")) == [(121, 240)]
    assert 120 in numbers_of(records, split, "train")
    assert 241 in numbers_of(records, split, "validation")


@pytest.mark.parametrize("margin", [-1, 1.5, True, "24"])
def test_a_margin_that_is_no_number_of_captures_is_refused(margin):
    with pytest.raises(ValueError, match=r"margin is .*; expected a whole number of captures, at least 0"):
        make_split(smears(range(1, 601)), scheme="contiguous", margin=margin)


@pytest.mark.parametrize("scheme", ["blocks", "random", "all"])
def test_a_margin_is_refused_where_it_would_do_nothing(scheme):
    with pytest.raises(ValueError, match=f"margin 100: split {scheme} leaves out no such numbers"):
        make_split(smears(range(1, 601)), scheme=scheme, margin=100)
    assert make_split(smears(range(1, 601)), scheme=scheme).margin is None


@pytest.mark.parametrize("margin", [200, 10_000])
def test_a_margin_that_leaves_nothing_to_train_on_is_refused_with_a_way_out(margin):
    with pytest.raises(
        ValueError,
        match=rf"fold 1 with {margin} numbers left out on either side: class folder a .*take a smaller --margin",
    ):
        make_split(smears(range(1, 301)), scheme="contiguous", fold=1, margin=margin)


def test_blocks_split_of_300_numbers_worked_out_by_hand():
    """Blocks are 1-48, ..., 241-288, 289-300. Fold 0 tests the first and sixth; the second and seventh validate.

    Eight numbers around each test block are left out (49-56; 233-240 and 289-296), then eight around each validating
    block (97-104; 281-288 tests all the same).
    """
    records = smears(range(1, 301))
    split = make_split(records, scheme="blocks", fold=0)
    assert runs(numbers_of(records, split, "test")) == [(1, 48), (241, 288)]
    assert runs(numbers_of(records, split, "validation")) == [(57, 96), (297, 300)]
    assert runs(numbers_of(records, split, "unused")) == [(49, 56), (97, 104), (233, 240), (289, 296)]
    assert runs(numbers_of(records, split, "train")) == [(105, 232)]


def test_blocks_are_counted_among_those_that_hold_images():
    """Numbers 97-144 are kept apart: the blocks are 1-48, 49-96, 145-192, 193-240, 241-288, 289-336."""
    records = smears([*range(1, 97), *range(145, 337)])
    split = make_split(records, scheme="blocks", fold=2)
    assert runs(numbers_of(records, split, "test")) == [(145, 192)]
    assert runs(numbers_of(records, split, "validation")) == [(201, 240)]


@pytest.mark.parametrize("scheme", ["contiguous", "blocks", "random"])
def test_every_image_is_tested_in_one_fold_where_folds_share_all_of_them(scheme):
    records = smears(range(1, 481), range(11, 400))
    tests = [indices(make_split(records, scheme=scheme, fold=fold), "test") for fold in range(5)]
    together = np.concatenate(tests)
    assert len(set(together.tolist())) == len(together)
    if scheme != "random":
        assert len(together) == len(records)


@st.composite
def capture_numbers(draw: st.DrawFn) -> list[int]:
    """Return 330 to 500 of the numbers 1 to 900, with one stretch missing."""
    generator = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    gap = draw(st.integers(1, 700))
    numbers = [number for number in range(1, 901) if not gap <= number < gap + 150]
    return sorted(generator.choice(numbers, draw(st.integers(330, 500)), replace=False).tolist())


@settings(deadline=None, max_examples=40)
@given(capture_numbers(), capture_numbers(), st.integers(0, 4), st.integers(0, 60), st.randoms(use_true_random=False))
def test_margins_hold_for_any_numbers_and_the_order_of_records_does_not_matter(first, second, fold, margin, random):
    records = smears(first, second)
    around: tuple[tuple[Scheme, int], ...] = (("contiguous", margin), ("blocks", 8))
    for scheme, around_test in around:
        split = make_split(records, scheme=scheme, fold=fold, margin=margin if scheme == "contiguous" else TEST_MARGIN)
        for label in (0, 1):
            part = {name: np.array(numbers_of(records, split, name, label)) for name in ("train", "validation", "test")}
            assert all(len(some) for some in part.values())
            assert np.abs(part["test"][:, None] - part["train"]).min() > around_test
            assert np.abs(part["test"][:, None] - part["validation"]).min() > around_test
            assert np.abs(part["validation"][:, None] - part["train"]).min() > 8
        order = list(range(len(records)))
        random.shuffle(order)
        again = make_split(
            [records[place] for place in order],
            scheme=scheme,
            fold=fold,
            margin=margin if scheme == "contiguous" else TEST_MARGIN,
        )
        assert again.parts == tuple(split.parts[place] for place in order)


def test_contiguous_tests_a_fifth_of_every_class():
    records = smears(range(1, 303), range(5, 678, 1), range(2, 1300, 2))
    for fold in range(5):
        split = make_split(records, scheme="contiguous", fold=fold)
        for label, count in enumerate((302, 673, 649)):
            assert abs(len(numbers_of(records, split, "test", label)) - count / 5) < 1


def test_random_split_is_stratified_and_follows_its_seed():
    records = smears(range(1, 201), range(1, 41))
    split = make_split(records, scheme="random", seed=3)
    for label, count in enumerate((200, 40)):
        sizes = {
            part: len(numbers_of(records, split, part, label)) for part in ("train", "validation", "test", "unused")
        }
        assert sizes == {"train": count * 8 // 10, "validation": count // 10, "test": count // 10, "unused": 0}
    assert make_split(records, scheme="random", seed=3) == split
    assert make_split(records[::-1], scheme="random", seed=3).parts == split.parts[::-1]
    assert make_split(records, scheme="random", seed=4) != split


def test_random_split_of_all_seeds_tests_every_image_about_equally_often():
    records = smears(range(1, 31))
    counts = np.zeros(30)
    for seed in range(400):
        counts[indices(make_split(records, scheme="random", seed=seed), "test")] += 1
    # 40 expected with a standard deviation of 6.
    assert counts.min() > 40 - 5 * 6
    assert counts.max() < 40 + 5 * 6


def test_all_trains_on_everything():
    records = smears(range(1, 3))
    assert make_split(records, scheme="all") == Split("all", ("train", "train"))
    assert indices(make_split(records, scheme="all"), "validation").tolist() == []


@pytest.mark.parametrize(
    ("scheme", "count", "part"),
    [("contiguous", 40, "validation"), ("blocks", 40, "validation"), ("random", 2, "train")],
)
def test_a_class_that_is_too_small_is_refused_by_name_with_a_way_out(scheme, count, part):
    way_out = "add images" if scheme == "random" else "use --split random, or add images"
    margin, smaller = "", ""
    if scheme == "contiguous":
        margin, smaller = " with 24 numbers left out on either side", "take a smaller --margin, "
    with pytest.raises(
        ValueError,
        match=rf"{scheme}, fold 0{margin}: class folder b \({count} images\) .* for {part}; {smaller}{way_out}",
    ):
        make_split(smears(range(1, 401), range(1, count + 1)), scheme=scheme)


def test_the_smallest_random_split_has_one_image_per_part():
    assert sorted(make_split(smears(range(1, 4)), scheme="random").parts) == ["test", "train", "validation"]


def test_unknown_schemes_folds_and_parts_are_refused():
    records = smears(range(1, 401))
    with pytest.raises(ValueError, match="split 'half' is unknown; expected one of contiguous, blocks, random, all"):
        make_split(records, scheme="half")  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match=r"fold is 5; expected 0\.\.4"):
        make_split(records, scheme="blocks", fold=5)
    with pytest.raises(ValueError, match="there is no image to split"):
        make_split([], scheme="all")
    with pytest.raises(ValueError, match="part 'exam' is unknown; expected one of train, validation, test, unused"):
        indices(Split("all", ("train",)), "exam")  # pyright: ignore[reportArgumentType]


def test_groups_are_blocks_merged_by_twins():
    records = [
        Record(f"{label}/{n}.png", "", label, n) for label, n in [(0, 1), (0, 48), (0, 49), (0, 97), (1, 1), (1, 60)]
    ]
    assert groups(records, np.arange(6)).tolist() == [0, 0, 1, 2, 3, 4]
    # The twins 48 and 49 join the first two blocks of class 0.
    assert groups(records, np.array([0, 1, 1, 2, 3, 4])).tolist() == [0, 0, 0, 1, 2, 3]
    with pytest.raises(ValueError, match="5 twin groups for 6 records"):
        groups(records, np.arange(5))


@pytest.fixture
def dataset() -> Dataset:
    return dataset_of([*smears(range(1, 4), range(2, 5)), Record('c/a "b", ü.png', "f" * 64, 2, 1)])


@pytest.fixture
def written(dataset: Dataset, tmp_path: Path) -> Path:
    parts = ("train", "validation", "test", "unused", "train", "test", "train")
    write_split(Split("blocks", parts), dataset, tmp_path / "split.csv")
    return tmp_path / "split.csv"


def test_a_split_survives_its_file_and_leaves_no_other(dataset: Dataset, written: Path):
    assert read_split(written, dataset) == Split(
        "blocks", ("train", "validation", "test", "unused", "train", "test", "train")
    )
    assert written.read_text(encoding="utf-8").splitlines()[:3] == [
        "# neurallnet split, format_version 1, scheme blocks",
        "path,sha256,label,number,part",
        f"a/0003.png,{3:064x},a,3,train",
    ]
    assert list(written.parent.iterdir()) == [written]


@pytest.mark.parametrize("margin", [0, 24, 100])
def test_the_file_of_a_contiguous_split_says_how_many_numbers_were_left_out(dataset: Dataset, tmp_path, margin):
    split = Split("contiguous", ("train", "validation", "test", "unused", "train", "test", "train"), margin)
    write_split(split, dataset, tmp_path / "split.csv")
    first = (tmp_path / "split.csv").read_text(encoding="utf-8").splitlines()[0]
    assert first == f"# neurallnet split, format_version 1, scheme contiguous, margin {margin}"
    assert read_split(tmp_path / "split.csv", dataset) == split


def test_a_contiguous_split_from_before_there_were_margins_had_24(dataset: Dataset, written: Path):
    text = written.read_text(encoding="utf-8")
    written.write_text(text.replace("scheme blocks", "scheme contiguous", 1), encoding="utf-8")
    assert read_split(written, dataset).margin == 24
    written.write_text(text.replace("scheme blocks", "scheme contiguous, margin some", 1), encoding="utf-8")
    with pytest.raises(ValueError, match="has margin 'some'; expected a whole number of captures"):
        read_split(written, dataset)


def test_a_failing_write_leaves_the_old_file(dataset: Dataset, written: Path):
    before = written.read_bytes()
    with pytest.raises(ValueError, match="shorter"):
        write_split(Split("blocks", ("train",)), dataset, written)
    assert written.read_bytes() == before
    assert list(written.parent.iterdir()) == [written]


def test_a_split_does_not_depend_on_the_order_of_its_lines(dataset: Dataset, written: Path):
    before = read_split(written, dataset)
    head, columns, *rows = written.read_text(encoding="utf-8").splitlines()
    written.write_text("\n".join([head, columns, *rows[::-1]]), encoding="utf-8")
    assert read_split(written, dataset) == before


def test_a_manifest_made_elsewhere_is_taken(dataset: Dataset, tmp_path: Path):
    lines = [f'"{record.path}",{record.sha256},test' for record in dataset.records]
    lines[-1] = f'test,"c/a ""b"", ü.png",{"f" * 64}'
    header = "part,path,sha256\r\n" + "".join(f"test,{r.path},{r.sha256}\r\n" for r in dataset.records[:-1])
    (tmp_path / "m.csv").write_bytes((header + lines[-1] + "\r\n").encode("utf-8-sig"))
    assert read_split(tmp_path / "m.csv", dataset) == Split("manifest", ("test",) * 7)


@pytest.mark.parametrize(
    ("old", "new", "match"),
    [
        (
            f"{3:064x},a,3,train",
            f"{9:064x},a,3,train",
            r"a/0003\.png has other bytes in smears; restore it, or make a new",
        ),
        (
            f"a/0003.png,{3:064x},a,3,train\n",
            "",
            r"a/0003\.png of smears is not listed; remove it, or make a new split",
        ),
        ("a/0003.png", "a/0009.png", r"a/0009\.png is not in smears; restore it, or make a new split"),
        ("a,3,train", "b,3,train", r"a/0003\.png is b there and a in smears; make a new split"),
        ("a,3,train", "a,3,exam", r"a/0003\.png has part 'exam'; expected one of train, validation, test, unused"),
        ("a/0002", "a/0003", r"a/0003\.png (has other bytes|is listed twice)"),
        ("sha256", "hash", r"has no column sha256; a split has path, sha256, label, number, part"),
        ("format_version 1", "format_version 2", r"begins with '# neurallnet split, format_version 2.*this version"),
    ],
)
def test_a_split_for_other_images_is_refused_by_name(dataset: Dataset, written: Path, old: str, new: str, match: str):
    text = written.read_text(encoding="utf-8")
    assert old in text
    written.write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(ValueError, match=match) as caught:
        read_split(written, dataset)
    assert "\n" not in str(caught.value)


def test_labels_of_a_manifest_may_be_aliases(tmp_path: Path):
    record = Record("Early/1.jpg", "0" * 64, 1, 1)
    dataset = Dataset(tmp_path, CLASSES, (record,), np.zeros((1, 2, 2, 3), np.uint8))
    for label, taken in (("Early", True), ("early pre-b", True), ("Pre", False)):
        (tmp_path / "m.csv").write_text(f"path,sha256,label,part\n{record.path},{record.sha256},{label},train\n")
        if taken:
            assert read_split(tmp_path / "m.csv", dataset).parts == ("train",)
        else:
            with pytest.raises(ValueError, match=r"Early/1\.jpg is Pre there and Early Pre-B in"):
                read_split(tmp_path / "m.csv", dataset)


def test_a_line_given_twice_is_refused(dataset: Dataset, written: Path):
    text = written.read_text(encoding="utf-8")
    written.write_text(text + text.splitlines()[-1] + "\n", encoding="utf-8")
    with pytest.raises(ValueError, match="is listed twice; keep one line"):
        read_split(written, dataset)


def test_a_split_that_cannot_be_read_is_named(dataset: Dataset, tmp_path: Path):
    with pytest.raises(ValueError, match=r"none\.csv: cannot be read as a split \(No such file or directory\)"):
        read_split(tmp_path / "none.csv", dataset)
    (tmp_path / "image.csv").write_bytes(b"\xff\xd8\xff\xe0")
    with pytest.raises(ValueError, match=r"image\.csv: cannot be read as a split \(it is no text\)"):
        read_split(tmp_path / "image.csv", dataset)


def test_digest_changes_with_bytes_paths_and_classes_and_not_with_order():
    records = smears(range(1, 5), range(1, 4))
    base = digest(dataset_of(records))
    assert digest(dataset_of(records[::-1])) == base
    first = records[0]
    for changed in (
        Record(first.path, "0" * 64, first.label, first.number),
        Record("a/x.png", first.sha256, first.label, first.number),
        Record(first.path, first.sha256, 1, first.number),
    ):
        assert digest(dataset_of([changed, *records[1:]])) != base
    assert digest(dataset_of(records[1:])) != base


@pytest.fixture(scope="module")
def taleqani(real_data: Path) -> Dataset:
    return open_folder(real_data / "taleqani", (64, 64))


@pytest.mark.real
def test_no_real_twin_stands_on_both_sides_of_a_contiguous_split(taleqani: Dataset):
    pairs = twin_pairs(fingerprints(taleqani.pixels))
    assert len(pairs.first) > 50
    for fold in range(5):
        crossing = {}
        for scheme in ("contiguous", "blocks", "random"):
            parts = np.array(make_split(taleqani.records, scheme=scheme, fold=fold).parts)
            first, second = parts[pairs.first], parts[pairs.second]
            crossing[scheme] = np.sum((first != second) & (first != "unused") & (second != "unused"))
        assert crossing["contiguous"] == 0
        assert crossing["blocks"] == 0
        # The check sees a crossing where there is one.
        assert crossing["random"] >= 10


@pytest.fixture(scope="module")
def manifest() -> list[Record]:
    with (DATA / "taleqani" / "manifest.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    labels = {"Benign": 0, "Early": 1, "Pre": 2, "Pro": 3}
    return [Record(row["path"], row["sha256"], labels[row["label"]], int(row["number"])) for row in rows]


def test_manifest_lists_every_file_once_with_a_hash_in_the_folder_of_its_class(manifest: list[Record]):
    assert len({record.path for record in manifest}) == len(manifest) == 2142
    assert all(re.fullmatch("[0-9a-f]{64}", record.sha256) for record in manifest)
    assert all(re.fullmatch(rf".*-0*{record.number}\.jpg", record.path) for record in manifest)
    for label, folder in enumerate(("Benign", "Early", "Pre", "Pro")):
        assert all(record.path.startswith(f"{folder}/") for record in manifest if record.label == label)


def test_the_data_folder_holds_no_image():
    endings = {path.suffix.lower() for path in DATA.rglob("*") if path.is_file()}
    assert endings == {".md", ".csv"}


def test_splits_of_the_manifest_have_the_sizes_on_its_card(manifest: list[Record]):
    card = (DATA / "taleqani" / "README.md").read_text(encoding="utf-8")
    for fold in range(5):
        cells = []
        for scheme in ("contiguous", "blocks", "random"):
            split = make_split(manifest, scheme=scheme, fold=fold)
            cells.append(" / ".join(f"{len(indices(split, part)):,}" for part in ("train", "validation", "test")))
        assert f"| {fold} | {' | '.join(cells)} |" in card


def test_no_file_of_the_manifest_stands_twice_on_two_sides(manifest: list[Record]):
    for scheme in ("contiguous", "blocks"):
        for fold in range(5):
            sides: dict[str, set[str]] = {}
            for record, part in zip(manifest, make_split(manifest, scheme=scheme, fold=fold).parts, strict=True):
                sides.setdefault(record.sha256, set()).add(part)
            assert all(len(parts - {"unused"}) <= 1 for parts in sides.values())


@pytest.mark.real
def test_real_smears_have_about_fifty_groups_to_draw_from(taleqani: Dataset):
    found = groups(taleqani.records, twin_groups(taleqani.pixels))
    assert len(set(found.tolist())) == 49
    assert all(len(set(taleqani.labels[found == group].tolist())) == 1 for group in range(49))
