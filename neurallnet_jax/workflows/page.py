"""One self-contained HTML page from plain blocks: text, points, tables, pictures, a gallery, and parts that are missing.

Knows no network and no result. Everything is escaped, nothing is fetched: pictures are data URIs, the style is inline, and
the page forbids the browser to load anything else.
"""

import base64
import re
import struct
import urllib.parse
from dataclasses import dataclass, field
from importlib import resources
from typing import Any, ClassVar, TypeAlias

from neurallnet_jax import workflows
from neurallnet_jax.workflows import wording

__all__ = [
    "Absent",
    "Block",
    "Card",
    "Gallery",
    "Jump",
    "Link",
    "Page",
    "Picture",
    "Points",
    "Section",
    "Table",
    "Text",
    "Tile",
    "data_uri",
    "picture",
    "render",
    "source",
]

TEMPLATE = "page.html.jinja"
_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_SVG_SIZE = re.compile(rb'<svg[^>]*?\bviewBox="0 0 ([\d.]+) ([\d.]+)"')
_PX_PER_PT = 96 / 72
_ARXIV = re.compile(r"\barXiv:(\d{4}\.\d{4,5})")
_DOI = re.compile(r"\b10\.\d{4,9}/[^\s,;)]+[^\s,;).]")


@dataclass(frozen=True)
class Link:
    """Text that leads to a DOI; a reader follows it, the page does not."""

    text: str
    doi: str

    @property
    def address(self) -> str:
        """The address of the resolver."""
        return f"https://doi.org/{urllib.parse.quote(self.doi, errors='replace')}"


@dataclass(frozen=True)
class Jump:
    """Text that leads to another place of the page; `anchor` is a row, a table or a section of it."""

    text: str
    anchor: str

    @property
    def address(self) -> str:
        """The place."""
        return f"#{self.anchor}"


Cell: TypeAlias = str | Link | Jump


@dataclass(frozen=True)
class Card:
    """A key figure; `good` adds a sign that says whether it is as it should be, None adds none."""

    label: str
    value: str
    detail: str
    good: bool | None = None


@dataclass(frozen=True)
class Text:
    """A paragraph."""

    text: str
    kind: ClassVar[str] = "text"


@dataclass(frozen=True)
class Points:
    """A list with a heading; `anchor` is what a `Jump` calls it."""

    title: str
    items: tuple[str, ...]
    anchor: str = ""
    kind: ClassVar[str] = "points"


@dataclass(frozen=True)
class Table:
    """Rows under a header; the first cell of a row heads it.

    Attributes:
        caption: What the table shows.
        header: Column names.
        align: Per column `l`, `r`, or `w` for a wide one of text.
        rows: Cells.
        folded: Whether a reader opens it first: for what is told elsewhere already.
        anchor: What a `Jump` calls the table; empty where none leads to it.
        anchors: The same for every row; empty where none leads to any.
    """

    caption: str
    header: tuple[str, ...]
    align: str
    rows: tuple[tuple[Cell, ...], ...]
    folded: bool = False
    anchor: str = ""
    anchors: tuple[str, ...] = ()
    kind: ClassVar[str] = "table"

    def __post_init__(self) -> None:
        widths = {len(self.align), *(len(row) for row in self.rows)}
        if widths != {len(self.header)}:
            raise ValueError(f"table {self.caption!r}: {len(self.header)} columns, but rows or alignment of {widths}")
        if self.anchors and len(self.anchors) != len(self.rows):
            raise ValueError(f"table {self.caption!r}: {len(self.anchors)} anchors for {len(self.rows)} rows")


@dataclass(frozen=True)
class Picture:
    """A figure for light and for dark ground; `alt` says in words what it shows, `sources` where its numbers come from."""

    light: str
    dark: str
    width: int
    height: int
    alt: str
    caption: str
    sources: tuple[Jump, ...] = ()
    kind: ClassVar[str] = "picture"


@dataclass(frozen=True)
class Tile:
    """One small image with two lines below it; `sign` marks it beyond its colour."""

    image: str
    alt: str
    sign: str
    title: str
    detail: str
    good: bool


@dataclass(frozen=True)
class Gallery:
    """Tiles side by side, as many as fit."""

    tiles: tuple[Tile, ...]
    caption: str
    kind: ClassVar[str] = "gallery"


@dataclass(frozen=True)
class Absent:
    """Something that belongs here and is missing, why, and the command line that makes it."""

    what: str
    reason: str
    command: str = ""
    kind: ClassVar[str] = "absent"


Block: TypeAlias = Text | Points | Table | Picture | Gallery | Absent


@dataclass(frozen=True)
class Section:
    """A part of the page; `lead` explains in a sentence what a student sees here, `answer` says first what was found."""

    anchor: str
    title: str
    lead: str
    blocks: tuple[Block, ...]
    answer: str = ""


@dataclass(frozen=True)
class Page:
    """What `render` needs."""

    title: str
    subtitle: str
    command: str
    notice: tuple[str, ...]
    cards: tuple[Card, ...]
    sections: tuple[Section, ...]
    footer: str = field(default="")


def picture(light: bytes, dark: bytes, *, alt: str, caption: str, sources: tuple[Jump, ...] = ()) -> Picture:
    """Return a figure drawn twice, on light and on dark ground, with its size in CSS pixels.

    Raises:
        ValueError: Neither PNG nor an SVG with a viewBox.
    """
    width, height = _size(light)
    return Picture(data_uri(light), data_uri(dark), width, height, alt, caption, sources)


def data_uri(image: bytes) -> str:
    """Return a PNG or SVG as a data URI."""
    kind = "image/png" if image.startswith(_PNG_SIGNATURE) else "image/svg+xml"
    return f"data:{kind};base64,{base64.b64encode(image).decode()}"


def source(text: str) -> Cell:
    """Return a citation, as a link where it holds a DOI or the number of an arXiv paper, which is one too."""
    found = _DOI.search(text)
    if found:
        return Link(text, found.group())
    found = _ARXIV.search(text)
    return Link(text, f"10.48550/arXiv.{found[1]}") if found else text


def render(page: Page) -> str:
    """Return the page as HTML; equal pages give equal text."""
    # Imported here: whoever only trains need not have it.
    import jinja2

    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, finalize=_finalize, trim_blocks=True, lstrip_blocks=True
    )
    text = resources.files(workflows).joinpath(TEMPLATE).read_text(encoding="utf-8")
    return environment.from_string(text).render(page=page)


def _finalize(value: Any) -> Any:
    # Text that the template itself has built is markup and stays as it is.
    return wording.printable(value) if type(value) is str else value


def _size(image: bytes) -> tuple[int, int]:
    if image.startswith(_PNG_SIGNATURE):
        width, height = struct.unpack(">II", image[16:24])
        return width, height
    found = _SVG_SIZE.search(image)
    if not found:
        raise ValueError("a picture is neither PNG nor an SVG with a viewBox in points; draw it with figures.py")
    width, height = (round(float(value) * _PX_PER_PT) for value in found.groups())
    return width, height
