"""The page on an energy estimate as one HTML file: the verdict first, then what it rests on, down to every source.

Knows the order of the parts; prices nothing, runs nothing, and shows no image.
"""

from pathlib import Path

from lava_port.energy.constants import SCOPES
from lava_port.energy.report import ESTIMATE, LEFT_OUT
from lava_port.energy.results import EnergyReport
from neurallnet_jax.checkpoint import write_atomically
from neurallnet_jax.workflows import demo_page_energy, energy_details, energy_sections, page, wording
from neurallnet_jax.workflows.energy_sources import SCOPE_NAMES, Sources
from neurallnet_jax.workflows.page import Card

__all__ = ["NOTICE", "render", "write"]

NOTICE = (ESTIMATE, LEFT_OUT, "For research and teaching only; the network is no medical device.")
"""What the page says at its head."""


def render(report: EnergyReport, *, command: str, accuracy: float | None = None) -> str:
    """Return an estimate as one HTML page that needs nothing else; equal reports give equal text.

    Args:
        report: What `estimate` returned.
        command: The command line that made it, for the page.
        accuracy: Accuracy on the same images, None where they have no labels.
    """
    sources = Sources.of(report)
    images = f"{report.counts.images:,} image{'' if report.counts.images == 1 else 's'}"
    scored = "" if accuracy is None else f"; accuracy on them {wording.percent(accuracy)}"
    return page.render(
        page.Page(
            title="What one image would cost",
            subtitle=f"Energy of the spiking network on {images}, T = {report.counts.steps}{scored}",
            command=command,
            notice=NOTICE,
            cards=_cards(report),
            sections=(
                energy_sections.verdicts(sources),
                energy_sections.scopes(sources),
                energy_sections.break_evens(sources),
                energy_details.spikes(sources),
                energy_details.cores(sources),
                energy_details.by_class(sources),
                energy_details.uncertainties(sources),
                energy_details.leaves_out(sources),
                energy_details.origins(sources),
            ),
            footer="Written by neurallnet-jax. An estimate: nothing was measured on hardware.",
        )
    )


def write(report: EnergyReport, path: Path, *, command: str, accuracy: float | None = None) -> Path:
    """Write the page to `path` and return it; a killed run leaves the old file or the new one.

    Raises:
        ValueError: The place cannot be written.
    """
    write_atomically(path, render(report, command=command, accuracy=accuracy).encode())
    return path


def _cards(report: EnergyReport) -> tuple[Card, ...]:
    """Return the verdict of every scope that has one, and the spread of energies."""
    found = list(energy_sections.compared(report))
    cards, silent = [], []
    for scope in SCOPES:
        answers = [one.verdict for entry, one in found if entry.scope == scope]
        if not answers:
            silent.append(SCOPE_NAMES[scope])
            continue
        counts = ", ".join(
            f"{answer} in {answers.count(answer)}" for answer in energy_sections.SIGNS if answer in answers
        )
        value = f"{answers[0]}" if len(set(answers)) == 1 else "it depends"
        detail = f"than the ANN of the same topology: {counts} of {len(answers)}"
        cards.append(Card(f"Scope {SCOPE_NAMES[scope]}", value, detail, {"better": True, "worse": False}.get(value)))
    if silent:
        cards.append(Card(f"Scope {', '.join(silent)}", "no comparison", "a table below says why"))
    return (*cards, demo_page_energy.card(report))
