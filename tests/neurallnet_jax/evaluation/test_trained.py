import dataclasses
import json

import pytest

from neurallnet_jax.evaluation import trained

RECORD = {
    "training": {"epochs": 6},
    "best_epoch": 4,
    "split": {"scheme": "blocks", "fold": 2, "train": 1066},
    "source": None,
    "seconds": 61.5,
}


def test_how_a_model_was_trained_is_read_from_its_record(saved):
    found = trained.of(dataclasses.replace(saved, provenance=RECORD))
    assert found == trained.Trained(6, 4, (8, 8), "blocks", 2, 1066, "random weights", 61.5)
    assert trained.text(found) == "8 x 8 px, 1,066 images, 6 epochs (4 kept), split blocks, fold 2, from random weights"
    assert trained.from_json(json.loads(json.dumps(trained.to_json(found)))) == found


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"source": "/some/where/first"}, "from the RUN first"),
        (
            {"weights": {"file": "w.h5", "sha256": "0123456789abcdef" * 4, "fresh": ["predictions"]}},
            "from w.h5 (SHA-256 0123456789ab...)",
        ),
        ({"split": {"scheme": "manifest", "fold": 0, "train": 8}}, "8 images, 6 epochs (4 kept), a split file, from"),
        ({"training": {"epochs": 1}, "best_epoch": None}, "1,066 images, 1 epoch, split"),
    ],
)
def test_where_it_began_and_what_it_saw_is_said(saved, change, words):
    found = trained.of(dataclasses.replace(saved, provenance={**RECORD, **change}))
    assert words in trained.text(found)


def test_a_checkpoint_without_a_record_says_its_size_and_no_more(saved):
    found = trained.of(dataclasses.replace(saved, provenance={"training": "by hand"}))
    assert trained.text(found) == "8 x 8 px, from random weights"
