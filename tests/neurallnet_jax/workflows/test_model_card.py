"""The card of a RUN: its own record, its limits, and what is not recorded."""

import dataclasses

from neurallnet_jax.workflows import model_card, page


def test_the_card_says_what_the_network_is_not_for(reported) -> None:
    made = model_card.section(reported.report.subject)
    use = next(block for block in made.blocks if isinstance(block, page.Points) and block.anchor == "card-use")
    said = " ".join(use.items)
    assert "not a medical device" in said
    assert "diagnosis" in said


def test_every_layer_stands_there_with_its_numbers(reported) -> None:
    subject = reported.report.subject
    table = next(
        block
        for block in model_card.section(subject).blocks
        if isinstance(block, page.Table) and block.anchor == "card-layers"
    )
    assert [row[0] for row in table.rows] == [layer.name for layer in subject.layers]
    assert sum(int(str(row[3]).replace(",", "")) for row in table.rows) == subject.parameters
    assert any("delay" in str(row[4]) for row in table.rows)


def test_settings_of_the_training_are_told_without_folders(reported) -> None:
    made = model_card.section(reported.report.subject)
    table = next(block for block in made.blocks if isinstance(block, page.Table) and block.anchor == "card-training")
    rows = dict(table.rows)
    assert rows["command"] == "neurallnet train --data smears --out run"
    assert rows["training: augmentation: flip"] == "True"


def test_what_a_run_does_not_record_is_missing_and_not_invented(reported) -> None:
    bare = dataclasses.replace(reported.report.subject, provenance={})
    assert not model_card.training_known(bare)
    assert not model_card.software_known(bare)
    made = model_card.section(bare)
    assert any(isinstance(block, page.Absent) for block in made.blocks)
    assert not any(getattr(block, "anchor", "") in ("card-training", "card-software") for block in made.blocks)
