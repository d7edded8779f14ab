"""The part of a report that shows an energy estimate: a card, bars, the table of scopes, what is left out, the constants.

Knows how an estimate is read; prices nothing itself.
"""

from lava_port.energy import report as energy_report
from lava_port.energy import rows as energy_rows
from lava_port.energy.comparison import Estimate
from lava_port.energy.constants import SCOPES, Constant, Profile
from lava_port.energy.results import EnergyReport, ScopeEnergy
from neurallnet_jax.workflows import figures, page, wording
from neurallnet_jax.workflows.page import Block, Card, Points, Section, Table

__all__ = ["LEAD", "TITLE", "card", "section"]

TITLE = "Energy, estimated"
LEAD = (
    "How much energy one image would take on hardware like that of the sources: operations counted exactly, times a "
    "published constant each. An estimate, not a measurement; read the scopes side by side before quoting any of them."
)
_VALUES = {
    "spiking": "this network",
    "ann": "dense ANN",
    "data": "interval over images",
    "ratio": "ratio and verdict",
    "verdict": "ratio and verdict",
}
_SCOPES = {
    "compute": "compute",
    "neuron": f"+{wording.NO_BREAK}neurons",
    "memory": f"+{wording.NO_BREAK}memory",
    "network": f"+{wording.NO_BREAK}messages",
    "static": f"+{wording.NO_BREAK}static power",
}


def card(report: EnergyReport) -> Card:
    """Return the key figure: the spread over profiles of the widest scope that is charged."""
    label = "Energy per image"
    charged = [entry for entry in report.scopes if entry.spiking is not None and entry.unit == "J"]
    if not charged:
        return Card(label, "cannot be priced", "no profile has a constant for what the network does")
    # The widest of the scopes that most sets of constants charge.
    scopes = [entry.scope for entry in charged]
    wanted = max(SCOPES, key=lambda scope: (scopes.count(scope), SCOPES.index(scope)))
    widest = [entry for entry in charged if entry.scope == wanted]
    joules = [entry.spiking.mean for entry in widest if entry.spiking is not None]
    low, high = wording.si(min(joules), "J", 2), wording.si(max(joules), "J", 2)
    detail = f"estimated, not measured; scope {widest[0].scope}, {len(joules)} sets of constants"
    partial = any(entry.left_out for entry in widest)
    return Card(
        label, low if low == high else f"{low} to {high}", f"{detail}; some leave parts out" if partial else detail
    )


def section(report: EnergyReport) -> Section:
    """Return the section on energy."""
    told = energy_report.to_json(report, accuracy=None)["x_energy"]
    blocks: list[Block] = [
        _bars(report),
        _scope_table(report),
        page.Text(_how_to_read(report)),
        Points("What these figures leave out", tuple(told["notes"])),
        _missing_table(report),
        _layer_table(report),
    ]
    blocks += [_constants_table(profile) for profile in report.profiles]
    blocks += [_reference_table(profile) for profile in report.profiles if profile.reference]
    return Section("energy", TITLE, LEAD, tuple(blocks))


def _how_to_read(report: EnergyReport) -> str:
    return (
        "The dense ANN has the same layers with rectified linear units, runs once per image and skips nothing. A ratio "
        "below 1 favours the spiking network; the verdict says how it fares, and is undecided where the ratio's interval "
        f"holds 1. The interval over images covers {wording.percent(report.level, 2)}; that over constants runs from the "
        "lowest to the highest values that the sources allow. The spread between profiles is a third uncertainty that no "
        "interval covers."
    )


def _bars(report: EnergyReport) -> page.Picture:
    told = "; ".join(
        f"{entry.profile} {entry.variant}, {_SCOPES[entry.scope]}: {wording.si(entry.spiking.mean, 'J', 2)}"
        for entry in report.scopes
        if entry.spiking is not None
    )
    partial = any(entry.left_out for entry in report.scopes)
    return page.picture(
        figures.energy_bars(report),
        figures.energy_bars(report, theme=figures.DARK),
        alt=f"Energy per image by layer. {told}.",
        caption=(
            "Each bar stacks the layers in order; scopes include those above them. Panels have scales of their own: "
            "compare lengths within a panel, numbers between panels."
            + (" An asterisk marks a sum that leaves parts out; a table below names them." if partial else "")
        ),
    )


def _scope_table(report: EnergyReport) -> Table:
    rows = tuple(
        (
            f"{entry.profile} ({entry.variant})",
            _SCOPES[entry.scope],
            _joules(entry.spiking) + ("*" if entry.spiking and entry.left_out else ""),
            _interval(entry.spiking.data if entry.spiking else None),
            _interval(entry.spiking.constants if entry.spiking else None),
            _joules(entry.ann),
            _ratio(entry),
            entry.verdict or wording.NOTHING,
        )
        for entry in report.scopes
        if entry.unit == "J" and (entry.spiking is not None or entry.ann is not None)
    )
    header = (
        "Profile",
        "Scope",
        "This network",
        "over images",
        "over constants",
        "Dense ANN",
        "Ratio",
        "Verdict",
    )
    return Table("Joules per image, with every scope that can be charged", header, "llrrrrrl", rows)


def _joules(estimate: Estimate | None) -> str:
    return wording.NOTHING if estimate is None else wording.si(estimate.mean, "J", 2)


def _interval(ends: tuple[float, float] | None) -> str:
    return wording.NOTHING if ends is None else wording.interval(*ends, "J", digits=2)


def _ratio(entry: ScopeEnergy) -> str:
    if entry.ratio is None:
        return wording.NOTHING
    return f"{wording.rounded(entry.ratio.value)} {wording.interval(entry.ratio.low, entry.ratio.high, digits=2)}"


def _missing_table(report: EnergyReport) -> Table:
    """Return why values are missing, once per profile, value and reason."""
    found: dict[tuple[str, str, str], dict[str, None]] = {}
    for entry in report.scopes:
        for what, why in entry.reasons.items():
            found.setdefault((entry.profile, _missing_value(what, entry), why), {})[entry.variant] = None
    rows = tuple((f"{profile} ({', '.join(variants)})", what, why) for (profile, what, why), variants in found.items())
    return Table("What could not be priced or compared, and why", ("Profile", "What", "Reason"), "llw", rows)


def _missing_value(what: str, entry: ScopeEnergy) -> str:
    if entry.spiking is None and entry.ann is None and not entry.left_out:
        return f"scope {entry.scope}"
    if what == "left_out":
        return f"{', '.join(entry.left_out)} of this network"
    return _VALUES.get(what, what)


def _layer_table(report: EnergyReport) -> Table:
    rows = tuple(
        (
            row.name,
            ", ".join(row.nodes[:-1]) or wording.NOTHING,
            f"{row.neurons:,}",
            wording.number(row.spikes),
            wording.number(row.synops),
            wording.number(row.macs),
            wording.number(row.updates),
        )
        for row in energy_rows.layer_rows(report)
    )
    header = ("Neurons", "With", "Number", "Spikes", "Spikes at weights", "Multiply-accumulates", "Neuron updates")
    caption = f"What was counted, mean per image over {report.counts.images:,} images"
    return Table(caption, header, "llrrrrr", rows)


def _constants_table(profile: Profile) -> Table:
    rows = tuple(
        _constant_row(f"{operation}, {name}" if len(profile.variants) > 1 else operation, constant)
        for name, variant in profile.variants.items()
        for operation, constant in variant.constants.items()
    )
    return _table_of_constants(f"Constants that were charged: {profile.title}", rows)


def _reference_table(profile: Profile) -> Table:
    rows = tuple(_constant_row(name, constant) for name, constant in profile.reference.items())
    return _table_of_constants(
        f"Further constants of the same sources, not charged: {profile.title}", rows, folded=True
    )


def _table_of_constants(caption: str, rows: tuple[tuple[page.Cell, ...], ...], *, folded: bool = False) -> Table:
    header = ("Operation", "Value", "Low to high", "Basis", "Source", "What it covers")
    return Table(caption, header, "lrrlww", rows, folded=folded)


def _constant_row(name: str, constant: Constant) -> tuple[page.Cell, ...]:
    unit = "" if constant.unit == "1" else f"{wording.NO_BREAK}{constant.unit}"
    known = constant.low != constant.high
    return (
        name.replace("_", " "),
        f"{constant.value:,g}{unit}",
        f"{constant.low:,g} to {constant.high:,g}" if known else "none given",
        f"{constant.basis}, {constant.node}",
        page.source(constant.source),
        constant.scope,
    )
