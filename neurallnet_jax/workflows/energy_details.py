"""What stands behind an energy estimate: spikes per step, cores, classes, three uncertainties, sums, constants, gaps.

Knows how an estimate is read; prices nothing itself, and puts no page together. The answers stand in `energy_sections.py`.
"""

from collections.abc import Sequence

from lava_port.energy import rows as energy_rows
from lava_port.energy.results import EnergyReport, ScopeEnergy
from neurallnet_jax.workflows import energy_sources, figures, figures_energy, page, wording
from neurallnet_jax.workflows.energy_sources import SCOPE_NAMES, Sources, title
from neurallnet_jax.workflows.page import Absent, Block, Jump, Section, Table, Text

__all__ = ["by_class", "cores", "leaves_out", "origins", "spikes", "uncertainties"]


def spikes(sources: Sources) -> Section:
    """Return when the layers spike, and all that was counted."""
    report = sources.report
    nodes = [node for node in report.counts.nodes if node.signal == "spikes"]
    blocks: list[Block] = []
    if nodes:
        told = "; ".join(
            f"{node.name}, from step {node.window.start}: "
            + ", ".join(wording.number(float(value)) for value in node.spikes.mean(axis=1))
            for node in nodes
        )
        blocks.append(
            page.picture(
                figures_energy.spikes_per_step(report),
                figures_energy.spikes_per_step(report, theme=figures.DARK),
                alt=f"Heat map of spikes per layer and step, mean per image. {told}.",
                caption=(
                    f"Spikes per layer in each of the {report.counts.total_steps} = T + depth steps, mean per image over "
                    f"{report.counts.images:,} images. The shade is the share of the layer's neurons that spike."
                ),
            )
        )
    else:
        blocks.append(Absent("Spikes per step", "no layer of this network spikes"))
    blocks.append(_counted(report))
    lead = (
        "Every layer works in a window of T steps of its own, one step after the layer before it; neurons are updated in "
        "all steps, and updates outside the window are charged as well."
    )
    return Section("spikes", "Spikes, step by step", lead, tuple(blocks))


def _counted(report: EnergyReport) -> Table:
    rows = tuple(
        (
            row.name,
            f"{row.neurons:,}",
            wording.NOTHING if row.spikes is None else f"{row.spikes:,.0f}",
            wording.rounded(row.rate, 3),
            f"{row.synops:,.0f}",
            f"{row.macs:,.0f}",
            f"{row.updates:,.0f}",
        )
        for row in energy_rows.layer_rows(report)
    )
    header = ("Layer", "Neurons", "Spikes", "Rate", "Synaptic operations", "MACs", "Neuron updates")
    return Table(f"Counted exactly; mean per image over {report.counts.images:,} images", header, "lrrrrrr", rows)


def cores(sources: Sources) -> Section:
    """Return what every core of the placement holds, and how long an image takes on the slowest."""
    report = sources.report
    placement = report.counts.placement
    blocks: list[Block] = []
    shares = figures_energy.core_shares(report)
    if placement is None or not shares:
        blocks.append(Absent("Cores in use", sources.told["reasons"].get("placement", "nothing was placed")))
    else:
        chips = "" if placement.chips is None else f", {placement.chips} chip{'s' if placement.chips > 1 else ''}"
        blocks.append(
            Text(f"Placed on {placement.chip.name}: {placement.cores} cores{chips}; weights {placement.sharing}.")
        )
        if placement.reasons:
            blocks.append(Text(f"Not all of the network fits: {'. '.join(placement.reasons)}."))
        blocks += [_core_picture(report, shares, placement.chip.name), _core_table(sources)]
        blocks += [page.Points("Not checked", placement.unchecked)] if placement.unchecked else []
    blocks.append(_latencies(sources))
    lead = "Which share of a core's neurons and memory the network takes where it would lie on a chip."
    return Section("cores", "Cores in use", lead, tuple(blocks))


def _core_picture(report: EnergyReport, shares: Sequence[figures_energy.CoreShare], chip: str) -> Block:
    neurons, memory = _span([one.neurons for one in shares]), _span([one.memory for one in shares])
    return page.picture(
        figures_energy.core_use(report),
        figures_energy.core_use(report, theme=figures.DARK),
        alt=f"Two rows of bars, one bar per core of {chip}: neurons {neurons}, memory {memory} of what a core holds.",
        caption="What every core holds, as a share of what it could hold; cores in the order of the layers.",
    )


def _span(values: Sequence[float | None]) -> str:
    known = [value for value in values if value is not None]
    return f"{wording.percent(min(known), 2)} to {wording.percent(max(known), 2)}" if known else "not published"


def _core_table(sources: Sources) -> Table:
    """Return what the fullest core of every layer uses of every limit."""
    placement = sources.report.counts.placement
    layers = () if placement is None else placement.layers
    limits = list(dict.fromkeys(one.limit for layer in layers for one in layer.usage))
    rows = []
    for layer in layers:
        used = {one.limit: one for one in layer.usage}
        last = layer.first_core + layer.cores - 1
        places = f"{layer.first_core}" if layer.cores == 1 else f"{layer.first_core} to {last}"
        cells = [
            f"{used[limit].used:,}"
            + ("" if used[limit].share is None else f" ({wording.percent(used[limit].share, 2)})")
            for limit in limits
        ]
        rows.append((layer.name, places, *cells))
    names = [f"{limit}, bytes" if limit == "memory" else limit for limit in limits]
    caption = "The fullest core of every layer, with its share of the limit; without a share no limit was published"
    return Table(caption, ("Layer", "Cores", *names), "ll" + "r" * len(limits), tuple(rows))


def _latencies(sources: Sources) -> Block:
    """Return the bracket of every profile that has the times, with the reason of those that could not use them."""
    report = sources.report
    timed = [profile.name for profile in report.profiles if profile.times]
    rows = []
    for name in timed:
        found, why = report.latencies[name]
        if found is None:
            rows.append((name, Jump(wording.NOTHING, sources.reason(why)), wording.NOTHING, wording.NOTHING))
            continue
        low, high = (float(end.mean()) for end in found.per_image)
        link = Jump(wording.si(low, "s", 2), sources.constant(name, "times.synop"))
        rows.append((name, link, wording.si(high, "s", 2), f"{found.slowest}"))
    if not rows:
        return Absent("Time per image", "none of the profiles gives the time of an operation")
    caption = (
        "Time per image, within a bracket: phases of neurons and synapses overlap fully, or follow each other; the way "
        "through the mesh is left out. Profiles that give no times are not listed"
    )
    return Table(caption, ("Profile", "At least", "At most", "Slowest core"), "lrrr", tuple(rows))


def by_class(sources: Sources) -> Section:
    """Return how energies per image spread, by class."""
    report = sources.report
    blocks: list[Block] = []
    chosen = _told_apart(report)
    if report.counts.images < 2:
        blocks.append(Absent("Histogram", "one image gives no histogram; run more"))
    elif not chosen:
        blocks.append(Absent("Histogram", "no profile prices the whole network in joules"))
    for entry in chosen if report.counts.images > 1 else ():
        blocks.append(_histogram(sources, entry))
    if report.labels is None:
        blocks.append(Absent("Energy by class", sources.told["reasons"]["labels"]))
    elif chosen:
        blocks.append(_class_table(sources, chosen))
    lead = "Images of different classes make the network spike differently, and so cost differently."
    return Section("classes", "Energy per image by class", lead, tuple(blocks))


def _told_apart(report: EnergyReport) -> tuple[ScopeEnergy, ...]:
    """Return the narrowest and the widest scope of the first profile that prices the whole network in most scopes."""
    whole = [one for one in report.scopes if one.spiking is not None and one.unit == "J" and not one.left_out]
    whole = whole or [one for one in report.scopes if one.spiking is not None and one.unit == "J"]
    if not whole:
        return ()
    names = [(one.profile, one.variant) for one in whole]
    fullest = max(dict.fromkeys(names), key=names.count)
    mine = [one for one in whole if (one.profile, one.variant) == fullest]
    return (mine[0],) if len(mine) == 1 else (mine[0], mine[-1])


def _histogram(sources: Sources, entry: ScopeEnergy) -> Block:
    report = sources.report
    name = title(entry.profile, entry.variant)
    told = "; ".join(f"{row[0]}: {row[1]} images, mean {row[2]}" for row in _class_rows(sources, entry))
    scope = SCOPE_NAMES[entry.scope]
    return page.picture(
        figures_energy.class_histogram(report, entry),
        figures_energy.class_histogram(report, entry, theme=figures.DARK),
        alt=f"Histograms of the energy per image, {name}, scope {scope}, a row per class. {told or 'No labels'}.",
        caption=f"Images by their energy: {name}, scope {scope}"
        + (f", without {', '.join(entry.left_out)}." if entry.left_out else "."),
        sources=(Jump(name, sources.product(entry.profile, entry.variant)),),
    )


def _class_rows(sources: Sources, entry: ScopeEnergy) -> list[tuple[str, ...]]:
    variant = sources.told["profiles"][entry.profile]["variants"][entry.variant]
    found = variant["scopes"][entry.scope]["by_class"] or {}
    unit = "J" if entry.unit == "J" else ""
    return [
        (name, f"{one['n']:,}", *(wording.si(value, unit, 2) for value in (one["mean"], *one["quartiles"])))
        for name, one in found.items()
        if one is not None
    ]


def _class_table(sources: Sources, chosen: Sequence[ScopeEnergy]) -> Table:
    rows = tuple(
        (row[0], title(entry.profile, entry.variant), SCOPE_NAMES[entry.scope], *row[1:])
        for entry in chosen
        for row in _class_rows(sources, entry)
    )
    header = ("Class", "Under", "Scope", "Images", "Mean", "Least", "Quartile", "Median", "Quartile", "Most")
    return Table("Energy per image by class", header, "lllrrrrrrr", rows)


# --- Uncertainties, sums, constants, gaps


def uncertainties(sources: Sources) -> Section:
    """Return the uncertainties of data, constants and model, which are never mixed."""
    report = sources.report
    rows = tuple(
        (
            title(entry.profile, entry.variant),
            SCOPE_NAMES[entry.scope],
            sources.spiking(entry),
            _ends(entry.spiking.data, entry.unit),
            _ends(entry.spiking.constants, entry.unit),
        )
        for entry in report.scopes
        if entry.spiking is not None
    )
    level = wording.percent(report.level, 2)
    spread = tuple(
        (
            SCOPE_NAMES[one.scope],
            f"{one.entries}",
            wording.NOTHING if one.low is None else f"{wording.si(one.low[0], 'J', 2)} ({one.low[1]})",
            wording.NOTHING if one.high is None else f"{wording.si(one.high[0], 'J', 2)} ({one.high[1]})",
        )
        for one in report.spreads
    )
    blocks = (
        page.Points(
            "Three uncertainties, apart",
            (
                f"Data: {level} bootstrap interval of the mean over {report.counts.images:,} images. Images of one "
                "patient are not independent, which makes it too narrow.",
                "Constants: all at their low, and all at their high end; no width where the source gives no range.",
                "Model: how far profiles lie apart that leave nothing out; no interval covers it.",
            ),
        ),
        Table(
            "Data and constants: energy of this network per image",
            ("Profile", "Scope", "Mean", f"Data, {level}", "Constants, low to high"),
            "llrrr",
            rows,
        ),
        Table(
            "Model: least and greatest mean of the profiles that price everything",
            ("Scope", "Sets of constants", "Least", "Greatest"),
            "lrww",
            spread,
        ),
    )
    lead = "What an interval covers, and what it does not. They are not added up: nobody knows how they go together."
    return Section("uncertainty", "Three uncertainties", lead, blocks)


def _ends(ends: tuple[float, float] | None, unit: str) -> str:
    if ends is None:
        return wording.NOTHING
    factor, prefix = wording.si_prefix(max(ends))
    low, high = (wording.rounded(end / factor, 3) for end in ends)
    return f"{low} to {high}{wording.NO_BREAK}{prefix}{'J' if unit == 'J' else ''}".rstrip()


def leaves_out(sources: Sources) -> Section:
    """Return what the estimate does not hold, and what could not be computed."""
    blocks: tuple[Block, ...] = (
        page.Points("What these figures are, and what they leave out", tuple(sources.told["notes"])),
        energy_sources.reasons_table(sources),
    )
    lead = "Nothing is silently zero: what is missing has a reason, and what no scope holds is named."
    return Section("missing", "What is left out", lead, blocks)


def origins(sources: Sources) -> Section:
    """Return every sum as counts times constants, and every constant with its source."""
    report = sources.report
    sums = [
        table
        for profile in report.profiles
        for variant in profile.variants
        if (table := energy_sources.product_table(sources, profile, variant)) is not None
    ]
    tables = [energy_sources.constants_table(sources, profile) for profile in report.profiles]
    lead = (
        "Each energy of this network is a sum of counts times constants, and each constant has a source. The ANN is "
        "charged with the same constants: its MACs, and per neuron one activation."
    )
    return Section("sources", "Where every number comes from", lead, (*sums, *tables))
