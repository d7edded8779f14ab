"""A model card in the order of Mitchell et al. (2019), filled from what a RUN records about itself.

Knows the RUN; says of uses, factors and ethics only what software can know, and names what it cannot.
"""

from collections.abc import Mapping
from typing import Any

from neurallnet_jax.workflows import page, wording
from neurallnet_jax.workflows.page import Absent, Block, Jump, Points, Section, Table
from neurallnet_jax.workflows.report_content import Subject

__all__ = ["LIMITS", "SOURCE", "section", "software_known", "training_known"]

SOURCE = (
    "Mitchell, Wu, Zaldivar et al. (2019), Model cards for model reporting, FAT* 2019, pp. 220-229, "
    "doi 10.1145/3287560.3287596"
)

LIMITS = (
    "It knows the images of its training folder, and whatever they have in common: one laboratory, one stain, one "
    "microscope perhaps. Nothing here shows how it does elsewhere, unless the scored images come from elsewhere.",
    "Patients are not recorded. Neighbouring capture numbers stand in for them, and the same patient may stand on both "
    "sides of a split.",
    "It gives one of its classes to every image, a photograph of something else included; warnings catch some of these.",
    "The labels are taken as the folder gives them; nobody has checked them here.",
)
"""Limits that hold for every RUN."""

_USE = (
    "Meant for: research and teaching on spiking networks, their conversion to integers and their evaluation.",
    "Users: researchers and students. Not clinicians, and nobody who has to decide about a patient.",
    "Not meant for: diagnosis, screening, triage, or any other use on patients. It is not a medical device.",
    "Input: one photograph of a blood smear. Output: a probability for each class, of which the largest is the answer.",
)
_FACTORS = (
    "Laboratory, stain, microscope and camera: not recorded; what colour alone tells is measured under shortcuts.",
    "Patients, their age, sex and origin: not recorded, so performance by such groups is not known.",
    "Quality of the image: measured under robustness, where that part is there.",
)
_ETHICS = (
    "Images of patients: whether they agreed, and under which terms the images may be used, is for the authors to say.",
    "A benign image told malignant and a malignant one told benign harm differently; no cost is set for either.",
)


def section(subject: Subject) -> Section:
    """Return the card."""
    blocks: list[Block] = [
        _details(subject),
        _layers(subject),
        Points("Intended use", _USE, "card-use"),
        Points("Factors", _FACTORS),
        Points(
            "Metrics, evaluation data, quantitative analyses",
            (
                "Metrics with meaning and two intervals each, confusion, classes and calibration stand under the scores.",
                "Which images were scored stands under the images, and what leaks into them under the leaks.",
            ),
        ),
        _input(subject),
        *_training(subject),
        Points("Ethical considerations", _ETHICS),
        Points("Caveats", LIMITS, "card-limits"),
        Table("Where this order comes from", ("Source",), "w", ((page.source(SOURCE),),), folded=True),
    ]
    lead = "What it is, what it is for and not for, what it was made from and where it ends."
    return Section("model-card", "Model card", lead, tuple(blocks))


def training_known(subject: Subject) -> bool:
    """Return whether the RUN records how it was trained."""
    return isinstance(subject.provenance.get("training"), Mapping)


def software_known(subject: Subject) -> bool:
    """Return whether the RUN records the versions that trained it."""
    return bool(subject.provenance.get("versions"))


def _details(subject: Subject) -> Table:
    height, width = subject.image_size
    rows: tuple[tuple[page.Cell, ...], ...] = (
        ("Name", subject.name),
        ("Kind", f"one network of {len(subject.layers)} layers, T = {subject.steps} time steps; no ensemble"),
        ("Trained numbers", f"{subject.parameters:,}; {subject.bytes:,} bytes with the statistics"),
        ("Input", f"{height} x {width} px, RGB"),
        ("Classes", ", ".join(subject.classes)),
        ("Digest", subject.digest),
        (
            "Temperature of the probabilities",
            "none fitted" if subject.temperature is None else f"{subject.temperature:.4g}",
        ),
        ("Conformal sets, abstention, warnings", "held by the RUN" if subject.calibrated else "not held by the RUN"),
        ("How it does", Jump("scores", "scores")),
    )
    return Table("Model details", ("What", "Value"), "lw", rows)


def _layers(subject: Subject) -> Table:
    rows = tuple(
        (one.name, one.kind, " x ".join(map(str, one.shape)), f"{one.parameters:,}", one.settings or wording.NOTHING)
        for one in subject.layers
    )
    header = ("Layer", "Kind", "Output", "Trained numbers", "Settings")
    return Table("Every layer", header, "lllrw", rows, folded=True, anchor="card-layers")


def _input(subject: Subject) -> Table:
    height, width = subject.image_size
    rows = (
        ("Decoded", "as RGB, 8 bit"),
        ("Resized", f"to {height} x {width} px, averaged over exact areas"),
        ("Offset", "minus " + ", ".join(map(str, subject.offset))),
        ("Scale", f"divided by {subject.scale:g}"),
    )
    return Table("From a file to the network", ("Step", "What"), "lw", rows, anchor="card-input")


def _training(subject: Subject) -> tuple[Block, ...]:
    if not training_known(subject):
        return (Absent("Training", "the RUN does not record how it was trained"),)
    known = subject.provenance
    rows = tuple(
        (name, text)
        for name, text in _flat(
            {key: value for key, value in known.items() if key not in ("versions", "data", "split")}
        )
    )
    blocks: list[Block] = [
        Table("Training, as the RUN records it", ("Setting", "Value"), "lw", rows, anchor="card-training")
    ]
    if software_known(subject):
        versions = tuple((name, str(version)) for name, version in dict(known["versions"]).items())
        blocks.append(Table("Software that trained it", ("What", "Version"), "lw", versions, anchor="card-software"))
    return tuple(blocks)


def _flat(tree: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    rows = []
    for name, value in tree.items():
        label = f"{prefix}{name.replace('_', ' ')}"
        if isinstance(value, Mapping):
            rows += _flat(value, f"{label}: ")
        else:
            rows.append((label, "none" if value is None else str(value)))
    return rows
