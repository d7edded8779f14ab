"""Images by class and part, counted again; who says how they were split."""

import dataclasses
from collections import Counter

from neurallnet_jax.workflows import page, section_provenance
from neurallnet_jax.workflows.report_content import RunReport


def tables(report: RunReport) -> dict[str, page.Table]:
    made = section_provenance.section(report.manifest, report.subject)
    return {block.caption: block for block in made.blocks if isinstance(block, page.Table)}


def test_classes_by_part_are_those_of_the_manifest(reported) -> None:
    rows = tables(reported.report)["Images by class and part"].rows
    entries = reported.report.manifest.entries
    counts = Counter(one.part for one in entries)
    assert rows[-1] == ("All", *(str(counts[part]) for part in ("train", "validation", "test")), str(len(entries)))
    assert [row[0] for row in rows[:-1]] == list(dict.fromkeys(one.label for one in entries))


def test_every_image_stands_there_with_its_hash(reported) -> None:
    table = next(one for caption, one in tables(reported.report).items() if caption.startswith("Manifest"))
    assert len(table.rows) == 48
    assert {(row[0], row[4]) for row in table.rows} == {
        (one.path, one.sha256[:16]) for one in reported.report.manifest.entries
    }


def test_the_folder_of_the_training_is_known_by_its_digest(reported) -> None:
    report = reported.report
    name = "The folder that the RUN was trained on"
    assert dict(tables(report)["What this page is on"].rows)[name] == "yes"
    other = dataclasses.replace(report, manifest=dataclasses.replace(report.manifest, digest="0" * 64))
    assert dict(tables(other)["What this page is on"].rows)[name] == "no"


def test_a_split_is_known_where_there_are_images_on_both_sides(reported) -> None:
    manifest = reported.report.manifest
    assert section_provenance.split_known(manifest)
    apart = tuple(one for one in manifest.entries if one.part == "test")
    assert not section_provenance.split_known(dataclasses.replace(manifest, entries=apart))


def test_a_run_that_records_no_split_says_so(reported) -> None:
    bare = dataclasses.replace(reported.report.subject, provenance={})
    blocks = section_provenance.section(reported.report.manifest, bare).blocks
    assert any(isinstance(block, page.Absent) for block in blocks)
