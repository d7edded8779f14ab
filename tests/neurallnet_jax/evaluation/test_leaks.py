"""Planted twins among drawn smears, brute force over all pairs, and the answers to bad input."""

import csv
import io
import itertools
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageEnhance

from neurallnet_jax.evaluation.leaks import Leaks, audit, from_json, to_json
from neurallnet_jax.images import folder, synthetic, twins

COUNT = 8


@pytest.fixture(scope="module")
def smears(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """8 smears of each class, 128 pixels."""
    root = tmp_path_factory.mktemp("drawn") / "smears"
    synthetic.write_folder(root, count=COUNT, seed=3, image_size=(128, 128))
    return root


@pytest.fixture
def copy(smears: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(smears, tmp_path / "copy"))


def files(root: Path) -> list[Path]:
    return sorted(path for path in root.glob("*/*") if path.is_file())


def found_pairs(found: Leaks) -> set[tuple[str, str]]:
    return {(min(p), max(p)) for p in ((pair.first.path, pair.second.path) for pair in (*found.pairs, *found.within))}


def write_split(root: Path, path: Path, test: set[str]) -> Path:
    dataset = folder.list_folder(root)
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["path", "sha256", "part"])
        for record in dataset.records:
            writer.writerow([record.path, record.sha256, "test" if record.path in test else "train"])
    return path


def jpeg40(image: Image.Image) -> Image.Image:
    data = io.BytesIO()
    image.save(data, "JPEG", quality=40)
    return Image.open(data).convert("RGB")


KINDS = {
    "resize": lambda image: image.resize((96, 72), Image.Resampling.BICUBIC),
    "crop": lambda image: image.crop((9, 17, 9 + 102, 17 + 102)),
    "jpeg": jpeg40,
    "brighter": lambda image: ImageEnhance.Brightness(image).enhance(1.15),
    "darker": lambda image: ImageEnhance.Brightness(image).enhance(0.6),
    "flip": lambda image: image.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_planted_twin_of_a_drawn_smear_is_found_and_no_stranger(kind: str, smears: Path, tmp_path: Path):
    flat = tmp_path / "flat"
    flat.mkdir()
    for place, path in enumerate(files(smears)):
        KINDS[kind](Image.open(path).convert("RGB")).save(flat / f"{path.parent.name}-{place}.png")
    found = audit(smears, flat)
    joined = [
        (pair.first, pair.second) if pair.first.folder == 0 else (pair.second, pair.first) for pair in found.pairs
    ]
    origin = {f"{path.parent.name}-{place}.png": path for place, path in enumerate(files(smears))}
    right = [(a, b) for a, b in joined if origin[b.path] == smears / a.path]
    assert len(right) >= 0.95 * len(origin)
    assert len(right) >= 0.99 * len(joined)
    assert not found.clean
    assert found.within == ()


def test_pairs_of_a_small_folder_are_those_of_brute_force_correlation(copy: Path):
    """All pairs at 32 x 32 grey, by numpy: what correlates above 0.97 upright is listed, and nothing else."""
    some = files(copy)
    Image.open(some[0]).resize((100, 100), Image.Resampling.BICUBIC).save(some[0].with_name("again.png"))
    Image.fromarray(np.asarray(Image.open(some[9]).convert("RGB")) // 2 + 60).save(some[9].with_name("paler.png"))
    grey = {path: twins.grey32(np.asarray(Image.open(path).convert("RGB"))[None])[0].ravel() for path in files(copy)}
    expected = {
        (a.relative_to(copy).as_posix(), b.relative_to(copy).as_posix())
        for a, b in itertools.combinations(sorted(grey), 2)
        if np.corrcoef(grey[a], grey[b])[0, 1] > 0.97
    }
    assert len(expected) == 2
    assert found_pairs(audit(copy)) == expected


def test_exact_twins_have_the_same_pixels_whatever_their_bytes(copy: Path):
    path = files(copy)[0]
    Image.open(path).save(path.with_name("other-bytes.bmp"))
    pair = audit(copy).pairs[0]
    assert (pair.kind, pair.correlation, pair.conflict, pair.crosses) == ("exact", 1.0, False, False)


def test_twins_with_different_labels_are_a_conflict_and_in_one_group(copy: Path):
    first, last = files(copy)[0], files(copy)[-1]
    shutil.copy(first, last.with_name("stranger.png"))
    found = audit(copy)
    assert [pair.conflict for pair in found.conflicts] == [True]
    assert [{member.label for member in group} for group in found.groups] == [{"Benign", "Pro-B"}]
    assert found.clean


def test_a_twin_that_crosses_the_split_is_not_clean_and_one_that_does_not_is(copy: Path, tmp_path: Path):
    first = files(copy)[0]
    twin = first.with_name("twin.png")
    Image.open(first).transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(twin)
    name, other = (path.relative_to(copy).as_posix() for path in (first, twin))
    crossing = audit(copy, split=str(write_split(copy, tmp_path / "a.csv", {name})))
    assert not crossing.clean
    assert {crossing.pairs[0].first.part, crossing.pairs[0].second.part} == {"train", "test"}
    assert sum(sum(block.sides.values()) for block in crossing.blocks) == COUNT + 1
    apart = audit(copy, split=str(write_split(copy, tmp_path / "b.csv", {name, other})))
    assert apart.clean
    assert len(apart.pairs) == 1


def test_copies_beyond_number_are_listed_by_part_and_stay_one_group(tmp_path: Path):
    root = tmp_path / "many"
    (root / "a").mkdir(parents=True)
    image = Image.fromarray(np.random.default_rng(0).integers(0, 255, (8, 8, 3), np.uint8)).resize((64, 64))
    for number in range(60):
        image.save(root / "a" / f"{number}.png")
    found = audit(root, split=str(write_split(root, tmp_path / "s.csv", {"a/7.png"})))
    assert len(found.groups[0]) >= 2
    assert len(found.pairs) < 60
    assert not found.clean


def test_the_result_survives_json(copy: Path, tmp_path: Path):
    first = files(copy)[0]
    shutil.copy(first, first.with_name("twin.png"))
    found = audit(copy, split=str(write_split(copy, tmp_path / "a.csv", {first.relative_to(copy).as_posix()})))
    data = json.loads(json.dumps(to_json(found)))
    assert from_json(data) == found
    assert {"pairs", "groups", "clean", "conflicts", "sessions", "blocks"} <= set(data)
    assert {data["pairs"][0]["first"], data["pairs"][0]["second"]} == {
        "Benign/twin.png",
        first.relative_to(copy).as_posix(),
    }
    with pytest.raises(ValueError, match="format version 9"):
        from_json({**data, "format_version": 9})


def test_unreadable_files_are_skipped_and_named(copy: Path):
    files(copy)[0].write_bytes(b"no image")
    found = audit(copy)
    assert [item.path for item in found.bad] == [files(copy)[0].relative_to(copy).as_posix()]
    assert found.images == (4 * COUNT - 1, 0)


def test_bad_folders_and_splits_are_refused_in_one_line(copy: Path, tmp_path: Path):
    (empty := tmp_path / "empty").mkdir()
    (broken := tmp_path / "broken").mkdir()
    (broken / "a.png").write_bytes(b"no image")
    split = write_split(copy, tmp_path / "a.csv", set())
    files(copy)[0].write_bytes(files(copy)[1].read_bytes())
    for arguments, options, message in (
        ((copy, copy), {}, "is DIR itself"),
        ((empty,), {}, "empty: holds no image; name a folder"),
        ((copy, broken), {}, "no image of it is readable"),
        ((copy,), {"split": str(split)}, "has other bytes in"),
        ((copy,), {"split": str(empty)}, "neither split.csv nor a checkpoint"),
        ((copy,), {"split": "pretrained"}, "has seen no image of"),
        ((tmp_path / "nowhere",), {}, "does not exist"),
    ):
        with pytest.raises(ValueError, match=message) as refused:
            audit(*arguments, **options)
        assert "\n" not in str(refused.value)


@pytest.mark.real
def test_both_photographs_of_the_external_cohort_are_found_and_no_false_one(real_data: Path):
    found = audit(real_data / "taleqani", real_data / "eshraghi-samples")
    group = {member.path: place for place, members in enumerate(found.groups) for member in members}
    expected = {
        "Snp_147_64.jpg": "Early/WBC-Malignant-Early-948.jpg",
        "Snp_147_75.jpg": "Early/WBC-Malignant-Early-960.jpg",
    }
    ends = {tuple(sorted((pair.first.path, pair.second.path), key=len)) for pair in found.pairs}
    assert set(expected.items()) <= ends
    assert all(group[first] == group[expected[first]] == group[second] for first, second in ends)
    assert not found.clean
    assert sum(pair.kind == "exact" for pair in found.within) == 32
    assert len(found.sessions) == 1
