"""What a result is of: kept in JSON, found among several models, refused where it is another."""

from pathlib import Path

import numpy as np
import pytest

from neurallnet_jax.evaluation import origin
from neurallnet_jax.evaluation.origin import Origin
from neurallnet_jax.images.folder import Dataset, Record

NAMES = ("smears", "run")


def dataset(*paths: str) -> Dataset:
    records = tuple(Record(path, f"{number:064x}", 0, number) for number, path in enumerate(paths))
    return Dataset(Path("smears"), ("calm",), records, np.zeros((len(paths), 1, 1, 3), np.uint8))


def test_an_origin_survives_json() -> None:
    one = Origin("d", ("a", "b"))
    assert origin.from_json({**origin.to_json(one), "n": 3}, source="x.json") == one


def test_a_file_that_turned_out_unreadable_is_no_part_of_the_images() -> None:
    listed, opened = dataset("a.png", "b.png", "c.png"), dataset("a.png", "b.png")
    assert origin.of(listed, without={"c.png"}) == origin.of(opened)
    assert origin.of(listed) != origin.of(opened)


def test_a_model_is_found_among_several() -> None:
    found = Origin("d", ("a", "b"))
    assert origin.place(found, Origin("d", ("b",)), source="x", names=NAMES) == 1


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (Origin("e" * 64, ("a",)), r"x\.json: is of other images \(eeeeeeeeeeee\) than smears \(d\)"),
        (Origin("d", ("c",)), r"x\.json: is of another RUN \(c\) than run \(a\)"),
        (Origin("d"), r"another RUN \(none\)"),
    ],
)
def test_other_images_and_other_models_are_refused(found: Origin, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        origin.place(found, Origin("d", ("a",)), source="x.json", names=NAMES)


@pytest.mark.parametrize("data", [{}, {"origin": None}, {"origin": {"data": "d"}}, {"origin": "d"}])
def test_a_result_that_does_not_say_what_it_is_of_is_refused(data: dict) -> None:
    with pytest.raises(ValueError, match="does not say which images and RUN"):
        origin.from_json(data, source="x.json")
