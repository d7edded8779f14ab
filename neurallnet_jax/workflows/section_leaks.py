"""The audit of leaks as a section of a page, and as a page of its own with the worst pairs side by side.

Knows the result of an audit and, where asked, where its images lie; searches nothing.
"""

import io
from collections.abc import Iterator, Sequence
from pathlib import Path

from neurallnet_jax.checkpoint import write_atomically
from neurallnet_jax.evaluation.leaks import IN_PLACE, NEAR, OVERLAP, Leaks, Member, Pair, Straddle
from neurallnet_jax.workflows import page

__all__ = ["render", "section", "write"]

LISTED = 50
PICTURED = 12
_SIDE = 160


def section(leaks: Leaks, *, roots: Sequence[Path] = ()) -> page.Section:
    """Return an audit as a section.

    Args:
        leaks: The audit.
        roots: DIR and OTHER where the worst pairs are to be shown as pictures; without them there are none.
    """
    blocks: list[page.Block] = [page.Text(_verdict(leaks))]
    listed = (*leaks.pairs, *leaks.within)
    for caption, pairs in (("Exact and near twins", listed), ("Other photographs of the same field", leaks.overlaps)):
        if pairs:
            blocks.append(_table(caption, pairs))
    worst = [*(pair for pair in listed if pair.crosses), *(pair for pair in leaks.overlaps if pair.crosses), *listed]
    tiles = tuple(_tiles(list(dict.fromkeys(worst))[:PICTURED], roots)) if roots else ()
    if tiles:
        blocks.append(page.Gallery(tiles, "The worst pairs, two pictures each: the crossing ones first."))
    straddling = (*leaks.blocks, *(one for one in leaks.sessions if len(one.sides) > 1))
    if straddling:
        blocks.append(_sides(straddling))
    if leaks.bad:
        blocks.append(page.Points("Files that were skipped", tuple(item.error for item in leaks.bad)))
    lead = (
        "A twin is the same picture once more: the same pixels, or a copy resized, cropped, mirrored, brightened or "
        f"compressed (correlation at least {NEAR} once aligned, {IN_PLACE} where nothing moved). From {OVERLAP} on, "
        "two photographs show the same field in part."
    )
    return page.Section("leaks", "Do images stand on both sides?", lead, tuple(blocks))


def render(leaks: Leaks, *, command: str, roots: Sequence[Path] = ()) -> str:
    """Return a page of its own; equal audits of equal images give equal text."""
    crossing = sum(pair.crosses for pair in (*leaks.pairs, *leaks.within))
    cards = (
        page.Card("Verdict", "clean" if leaks.clean else "not clean", f"{crossing} pairs cross", leaks.clean),
        page.Card("Twins", f"{len(leaks.pairs) + len(leaks.within):,}", f"in {len(leaks.groups):,} groups"),
        page.Card("Different labels", f"{len(leaks.conflicts):,}", "pairs of twins", not leaks.conflicts),
        page.Card("Overlaps", f"{len(leaks.overlaps):,}", "photographs of the same field"),
    )
    names = leaks.root if leaks.other is None else f"{leaks.root} against {leaks.other}"
    return page.render(
        page.Page(
            title="Leaks",
            subtitle=f"{names}: {sum(leaks.images):,} images",
            command=command,
            notice=("The page holds pictures from your own folders; mind their terms before you pass it on.",),
            cards=cards,
            sections=(section(leaks, roots=roots),),
            footer="Written by neurallnet-jax. Research use only; not a medical device.",
        )
    )


def write(leaks: Leaks, path: Path, *, command: str, roots: Sequence[Path] = ()) -> Path:
    """Write the page to `path` and return it; a killed run leaves the old file or the new one.

    Raises:
        ValueError: The place cannot be written.
    """
    write_atomically(path, render(leaks, command=command, roots=roots).encode())
    return path


def _verdict(leaks: Leaks) -> str:
    crossing = sum(pair.crosses for pair in (*leaks.pairs, *leaks.within))
    again = sum(pair.crosses for pair in leaks.overlaps)
    sides = (
        "the two folders"
        if leaks.other
        else "the split"
        if leaks.split
        else "anything: there is one folder and no split"
    )
    first = f"{crossing} pairs of twins cross {sides}." if crossing else f"No twin crosses {sides}."
    return f"{first} {again} other photographs of the same field do." if again else first


def _table(caption: str, pairs: Sequence[Pair]) -> page.Table:
    shown = f"{caption}, {LISTED} of {len(pairs):,}" if len(pairs) > LISTED else f"{caption}, {len(pairs):,}"
    rows = tuple(
        (
            pair.first.path,
            pair.second.path,
            pair.kind,
            f"{pair.correlation:.3f}",
            pair.orientation,
            " | ".join(_side(one) for one in (pair.first, pair.second)),
            "yes" if pair.crosses else "no",
            "differ" if pair.conflict else "agree",
        )
        for pair in pairs[:LISTED]
    )
    header = ("First", "Second", "Kind", "Correlation", "Laid", "Sides", "Crosses", "Labels")
    return page.Table(shown, header, "wwlrllll", rows, folded=not any(pair.crosses for pair in pairs))


def _sides(straddling: Sequence[Straddle]) -> page.Table:
    rows = tuple((one.name, ", ".join(f"{side} {count:,}" for side, count in one.sides.items())) for one in straddling)
    caption = "Blocks of capture numbers and sittings on more than one side; they may be the same patient"
    return page.Table(caption, ("Images", "Sides"), "ww", rows, folded=len(rows) > LISTED)


def _side(member: Member) -> str:
    return member.part or ("OTHER" if member.folder else "DIR")


def _tiles(pairs: Sequence[Pair], roots: Sequence[Path]) -> Iterator[page.Tile]:
    for place, pair in enumerate(pairs, 1):
        for member in (pair.first, pair.second):
            image = _thumbnail(roots[member.folder] / member.path)
            if image is not None:
                detail = f"pair {place}, {pair.kind}, {pair.correlation:.3f}, {_side(member)}"
                sign = "✗" if pair.crosses else ""
                yield page.Tile(image, member.path, sign, member.path, detail, not pair.crosses)


def _thumbnail(path: Path) -> str | None:
    """Return a picture as a data URI, None where the file has gone since the audit."""
    from PIL import Image

    from neurallnet_jax.images.decode import open_rgb, quiet_pillow, read_bytes

    try:
        with quiet_pillow():
            picture = open_rgb(read_bytes(path, name=str(path)), name=str(path))
    except ValueError:
        return None
    picture.thumbnail((_SIDE, _SIDE), Image.Resampling.BILINEAR)
    data = io.BytesIO()
    picture.save(data, "PNG")
    return page.data_uri(data.getvalue())
