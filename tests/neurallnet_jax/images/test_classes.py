from pathlib import Path

import pytest

from neurallnet_jax.images.classes import ALIASES, CLASSES, class_folders, malignant


def make(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).mkdir(parents=True)
    return root


def found(root: Path, classes=None) -> tuple[tuple[str, ...], list[tuple[str, int]]]:
    names, folders = class_folders(root, classes)
    return names, [(folder.name, label) for folder, label in folders]


def test_every_alias_names_one_of_the_four_classes_and_every_class_names_itself(tmp_path: Path):
    assert set(ALIASES.values()) == set(CLASSES)
    for place, name in enumerate(CLASSES):
        assert class_folders(make(tmp_path / str(place), name), None)[0] == (name,)


@pytest.mark.parametrize(
    "names",
    [
        ("Benign", "Early", "Pre", "Pro"),
        ("BENIGN", "early pre-b", "PRE-B", "pro_b"),
        ("Benign", "[Malignant] early Pre-B", "[Malignant] Pre-B", "[Malignant] Pro-B"),
        ("benign", "Malignant Early", "Malignant-Pre", "Malignant Pro"),
    ],
)
def test_names_in_use_give_the_four_classes_in_their_order(tmp_path: Path, names: tuple[str, ...]):
    assert found(make(tmp_path, *reversed(names))) == (CLASSES, list(zip(names, range(4), strict=True)))


def test_some_of_the_four_classes_are_labelled_among_themselves(tmp_path: Path):
    assert found(make(tmp_path, "Pro", "Benign")) == (("Benign", "Pro-B"), [("Benign", 0), ("Pro", 1)])


def test_a_model_gives_the_labels_where_classes_are_named(tmp_path: Path):
    assert found(make(tmp_path, "Pro", "Benign"), CLASSES) == (CLASSES, [("Benign", 0), ("Pro", 3)])


def test_other_names_are_classes_of_their_own_in_sorted_order(tmp_path: Path):
    assert found(make(tmp_path, "lymphocyte", "basophil")) == (
        ("basophil", "lymphocyte"),
        [("basophil", 0), ("lymphocyte", 1)],
    )


def test_classes_of_their_own_are_matched_to_a_model_in_any_case(tmp_path: Path):
    classes = ("lymphocyte", "Basophil")
    assert found(make(tmp_path, "basophil"), classes) == (classes, [("basophil", 1)])


def test_a_mixture_is_refused_by_name(tmp_path: Path):
    with pytest.raises(ValueError, match=r"Segmented is no class, while Benign, Pro-B is; rename it to one of Benign,"):
        class_folders(make(tmp_path, "Benign", "Pro", "Segmented"), None)


def test_a_class_that_the_model_lacks_is_refused_with_both(tmp_path: Path):
    with pytest.raises(
        ValueError, match=r"class cat is none of the model's, Benign, Early Pre-B, Pre-B, Pro-B; remove"
    ):
        class_folders(make(tmp_path, "Benign", "cat"), CLASSES)
    with pytest.raises(ValueError, match=r"class Benign is none of the model's, cat, dog"):
        class_folders(make(tmp_path / "other", "Benign"), ("cat", "dog"))


def test_two_folders_of_one_class_are_refused(tmp_path: Path):
    with pytest.raises(ValueError, match=r"folders Early and early pre-b are the same class, Early Pre-B; merge them"):
        class_folders(make(tmp_path, "Early", "early pre-b", "Pro"), None)


def test_hidden_folders_are_passed_over(tmp_path: Path):
    assert found(make(tmp_path, "Benign", ".git", "__MACOSX"))[0] == ("Benign",)


def test_no_folder_and_no_sub_folder_are_refused(tmp_path: Path):
    (tmp_path / "file.png").write_bytes(b"x")
    with pytest.raises(ValueError, match=r"absent: does not exist; name a folder with one sub-folder per class"):
        class_folders(tmp_path / "absent", None)
    with pytest.raises(ValueError, match=r"file\.png: is a file; name a folder"):
        class_folders(tmp_path / "file.png", None)
    with pytest.raises(ValueError, match=r"has no sub-folder; it needs one per class, such as Benign"):
        class_folders(tmp_path, None)


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (CLASSES, (False, True, True, True)),
        (("Pro-B", "hematogones"), (True, False)),
        (("Early", "Pre", "Pro"), None),
        (("Benign",), None),
        (("Benign", "Artefact"), None),
        (("cat", "dog"), None),
    ],
)
def test_benign_and_malignant_are_told_apart_where_every_class_is_known(names, expected):
    assert malignant(names) == expected
