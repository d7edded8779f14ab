"""The part of a page on an ablation says every figure, marks the dead, and escapes names."""

import dataclasses
from pathlib import Path

from neurallnet_jax.evaluation import ablation_results
from neurallnet_jax.evaluation.ablation_results import Ablation
from neurallnet_jax.workflows import page, section_ablation


def tables(ablated: Ablation) -> list[page.Table]:
    return [block for block in section_ablation.section(ablated).blocks if isinstance(block, page.Table)]


def test_the_table_has_a_row_per_arm_with_difference_rate_and_state(ablated: Ablation) -> None:
    table, rates = tables(ablated)
    rows = {row[0]: row for row in table.rows}
    assert list(rows) == [arm.name for arm in ablated.arms]
    base, none, static = rows["se"], rows["none"], rows["static"]
    assert base[3] == "0.875 ± 0.177"
    assert base[4] == "–"
    assert none[4].startswith("-0.125 [")  # pyright: ignore[reportAttributeAccessIssue]
    assert static[-1] == "dead: lif_2 in 1 of 2"
    assert rows["steps-1"][4].endswith("to static")  # pyright: ignore[reportAttributeAccessIssue]
    assert rows["rate"][3:] == ("–", "–", "–", "–", "failed: 1 of 1")
    assert rates.header == ("Arm", "lif_1", "lif_2", "Seconds")
    assert {row[0]: row[1:] for row in rates.rows}["se"] == ("0.100", "0.300", "4.00")


def test_the_page_holds_command_protocol_and_control_and_escapes_them(ablated: Ablation, tmp_path: Path) -> None:
    protocol = {**ablated.protocol, "data": "<b>smears</b>"}
    path = section_ablation.write(
        dataclasses.replace(ablated, protocol=protocol), tmp_path / "page.html", command="neurallnet ablate --data <x>"
    )
    text = path.read_text(encoding="utf-8")
    assert "neurallnet ablate --data &lt;x&gt;" in text
    assert "&lt;b&gt;smears&lt;/b&gt;, 64 x 64 px, split contiguous, fold 1, 24 epochs, 2 seeds" in text
    assert "the same in every weight and answer, bit for bit" in text
    assert "<b>smears" not in text


def test_a_control_that_fails_is_said_so(ablated: Ablation) -> None:
    failing = dataclasses.replace(ablated, identity_equals_none=False)
    assert "does not repeat its trainings" in section_ablation.render(failing, command="")
    without = dataclasses.replace(ablated, identity_equals_none=None)
    assert "Control:" not in section_ablation.render(without, command="")


def test_the_page_can_be_made_from_the_json_that_the_command_wrote(ablated: Ablation) -> None:
    again = ablation_results.from_json(ablation_results.to_json(ablated))
    assert section_ablation.render(again, command="x") == section_ablation.render(ablated, command="x")
