"""A user's own profile as YAML: read strictly, every complaint one line with file, line, key, what was found, what to do.

Knows no built-in profile and no network.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any, NoReturn, TypeVar, get_args

import yaml

from lava_port.energy.chips import CHIPS
from lava_port.energy.constants import (
    SCOPES,
    Basis,
    Constant,
    Memory,
    Operation,
    Profile,
    Reuse,
    Time,
    Unit,
    Variant,
)

__all__ = ["dump", "load", "parse"]

_Made = TypeVar("_Made")
_LARGEST_BYTES = 1 << 20


def load(path: str | Path) -> Profile:
    """Return the profile of a YAML file.

    Raises:
        ValueError: The file cannot be read, or is no profile; one line with file, line, key and what to do.
    """
    file = Path(path)
    try:
        if file.stat().st_size > _LARGEST_BYTES:
            raise ValueError(f"{path}: larger than 1 MB; expected a profile as docs/energy.md shows one")
        text = file.read_text(encoding="utf-8")
    except OSError as error:
        raise ValueError(f"{path}: cannot be read ({error.strerror}); name a YAML file with a profile") from None
    except UnicodeDecodeError:
        raise ValueError(f"{path}: is no UTF-8 text; expected a profile as docs/energy.md shows one") from None
    return parse(text, name=str(path))


def parse(text: str, *, name: str = "profile") -> Profile:
    """Return the profile that a text of YAML holds.

    Args:
        text: YAML as `dump` writes it.
        name: How messages call it.

    Raises:
        ValueError: It is no profile; one line with `name`, line, key and what to do.
    """
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise ValueError(f"{name}:{line}: is no YAML: {_line(str(error.problem))}; correct this line") from None
    except (yaml.YAMLError, RecursionError) as error:
        raise ValueError(f"{name}: is no YAML: {_line(str(error))}") from None
    if root is None:
        raise ValueError(f"{name}:1: holds nothing; expected a profile as docs/energy.md shows one")
    return _Reader(name).profile(root)


def dump(profile: Profile) -> str:
    """Return a profile as YAML that `parse` reads back as an equal profile."""
    return yaml.safe_dump(_plain(profile), sort_keys=False, allow_unicode=True, width=120)


def _plain(value: Any) -> Any:
    """Return frozen dataclasses as plain data, fields at their default left out."""
    if hasattr(value, "__dataclass_fields__"):
        kept = {}
        for entry in fields(value):
            default = entry.default_factory() if entry.default_factory is not MISSING else entry.default
            found = getattr(value, entry.name)
            if default is MISSING or found != default:
                kept[entry.name] = _plain(found)
        return kept
    if isinstance(value, tuple):
        return [_plain(entry) for entry in value]
    return {key: _plain(entry) for key, entry in value.items()} if hasattr(value, "items") else value


class _Reader:
    """Walks the nodes of one file; it holds the file's name for its complaints."""

    def __init__(self, name: str) -> None:
        self.name = name

    def refuse(self, node: yaml.Node, key: str, found: str, do: str) -> NoReturn:
        line = node.start_mark.line + 1
        raise ValueError(_line(f"{self.name}:{line}: {key or 'the profile'}: {found}; {do}"))

    def profile(self, node: yaml.Node) -> Profile:
        known = [entry.name for entry in fields(Profile)]
        parts = self.mapping(node, "", known, required=("name", "title", "variants"))
        read: dict[str, Callable[[yaml.Node, str], Any]] = {
            "name": self.text,
            "title": self.text,
            "variants": lambda part, key: self.table(part, key, None, self.variant),
            "scopes": lambda part, key: self.table(part, key, SCOPES, self.text),
            "reference": lambda part, key: self.table(part, key, None, self.constant),
            "memories": self.memories,
            "times": lambda part, key: self.table(part, key, get_args(Time), self.constant_in("ns")),
            "static": self.constant_in("mW"),
            "chip": lambda part, key: self.choice(part, key, tuple(CHIPS)),
            "contained": lambda part, key: self.table(part, key, SCOPES, self.text),
            "all_in": self.text,
        }
        values = {key: read[key](part, key) for key, part in parts.items()}
        return self.made(node, "", Profile, values)

    def variant(self, node: yaml.Node, key: str) -> Variant:
        known = [entry.name for entry in fields(Variant)]
        parts = self.mapping(node, key, known, required=("constants",))
        operations = get_args(Operation)
        read: dict[str, Callable[[yaml.Node, str], Any]] = {
            "constants": lambda part, where: self.table(part, where, operations, self.constant),
            "unpriced": lambda part, where: self.table(part, where, operations, self.text),
            "covered": lambda part, where: self.table(part, where, operations, self.text),
            "bits": self.whole,
            "reuse": lambda part, where: self.choice(part, where, get_args(Reuse)),
        }
        values = {name: read[name](part, f"{key}.{name}") for name, part in parts.items()}
        return self.made(node, key, Variant, values)

    def constant(self, node: yaml.Node, key: str) -> Constant:
        known = [entry.name for entry in fields(Constant)]
        parts = self.mapping(node, key, known, required=known)
        read: dict[str, Callable[[yaml.Node, str], Any]] = {
            **dict.fromkeys(("value", "low", "high"), self.number),
            **dict.fromkeys(("source", "node", "scope"), self.text),
            "unit": lambda part, where: self.choice(part, where, get_args(Unit)),
            "basis": lambda part, where: self.choice(part, where, get_args(Basis)),
        }
        values = {name: read[name](part, f"{key}.{name}") for name, part in parts.items()}
        return self.made(node, key, Constant, values)

    def constant_in(self, unit: Unit) -> Callable[[yaml.Node, str], Constant]:
        def read(node: yaml.Node, key: str) -> Constant:
            found = self.constant(node, key)
            if found.unit != unit:
                self.refuse(node, key, f"its unit is {found.unit!r}", f"give it in {unit}")
            return found

        return read

    def memories(self, node: yaml.Node, key: str) -> tuple[Memory, ...]:
        if not isinstance(node, yaml.SequenceNode):
            self.refuse(node, key, f"found {_kind(node)}", "expected a list of memories from small to large")
        found = tuple(self.memory(part, f"{key}[{place}]") for place, part in enumerate(node.value))
        sizes = [math.inf if one.capacity_bytes is None else one.capacity_bytes for one in found]
        if sizes != sorted(set(sizes)) or not sizes or sizes[-1] != math.inf:
            do = "order them from small to large and give the last no capacity_bytes, so that everything fits somewhere"
            self.refuse(node, key, f"their capacities are {[one.capacity_bytes for one in found]}", do)
        return found

    def memory(self, node: yaml.Node, key: str) -> Memory:
        known = [entry.name for entry in fields(Memory)]
        parts = self.mapping(node, key, known, required=("access_bits", "energy"))
        capacity = parts.get("capacity_bytes")
        return Memory(
            None if capacity is None or _is_null(capacity) else self.whole(capacity, f"{key}.capacity_bytes"),
            self.whole(parts["access_bits"], f"{key}.access_bits"),
            self.constant(parts["energy"], f"{key}.energy"),
        )

    def mapping(
        self, node: yaml.Node, key: str, known: Sequence[str] | None, *, required: Sequence[str] = ()
    ) -> dict[str, yaml.Node]:
        """Return the parts of a mapping by key; an unknown, doubled or missing key is refused."""
        if not isinstance(node, yaml.MappingNode):
            self.refuse(node, key, f"found {_kind(node)}", "expected keys with values, `key: value`")
        found: dict[str, yaml.Node] = {}
        for label, part in node.value:
            name = label.value if isinstance(label, yaml.ScalarNode) else _kind(label)
            where = f"{key}.{name}" if key else name
            if known is not None and name not in known:
                self.refuse(label, where, "is an unknown key", f"remove it, or use one of {', '.join(known)}")
            if name in found:
                self.refuse(label, where, "is given twice", "keep one of them")
            found[name] = part
        for name in required:
            if name not in found:
                where = f"{key}.{name}" if key else name
                self.refuse(node, where, "is missing", f"add `{name}: ...` here")
        return found

    def table(
        self,
        node: yaml.Node,
        key: str,
        known: Sequence[str] | None,
        read: Callable[[yaml.Node, str], _Made],
    ) -> dict[Any, _Made]:
        return {name: read(part, f"{key}.{name}") for name, part in self.mapping(node, key, known).items()}

    def text(self, node: yaml.Node, key: str) -> str:
        if not isinstance(node, yaml.ScalarNode) or not node.value.strip() or _is_null(node):
            self.refuse(node, key, f"found {_kind(node)}", "expected some words")
        return node.value

    def choice(self, node: yaml.Node, key: str, known: Sequence[str]) -> Any:
        found = self.text(node, key)
        if found not in known:
            self.refuse(node, key, f"found {found!r}", f"expected one of {', '.join(known)}")
        return found

    def number(self, node: yaml.Node, key: str) -> float:
        try:
            # A plain scalar: the 1e-3 that YAML 1.1 takes for text is a number, a quoted "1" is none.
            value = float(node.value) if isinstance(node, yaml.ScalarNode) and node.style is None else math.nan
        except ValueError:
            value = math.nan
        if not math.isfinite(value):
            self.refuse(node, key, f"found {_kind(node)}", "expected a finite number")
        return value

    def whole(self, node: yaml.Node, key: str) -> int:
        value = self.number(node, key)
        if value != int(value) or value < 1:
            self.refuse(node, key, f"found {value:g}", "expected a whole number of at least 1")
        return int(value)

    def made(self, node: yaml.Node, key: str, kind: Callable[..., _Made], values: dict[str, Any]) -> _Made:
        """Return the dataclass, its own complaint placed at the line of the node."""
        try:
            return kind(**values)
        except ValueError as error:
            found, _, do = str(error).partition("; ")
            self.refuse(node, key, found, do or "see docs/energy.md")


def _kind(node: yaml.Node) -> str:
    if isinstance(node, yaml.ScalarNode):
        return repr(node.value) if node.value else "nothing"
    return "a list" if isinstance(node, yaml.SequenceNode) else "keys with values"


def _is_null(node: yaml.Node) -> bool:
    return node.tag == "tag:yaml.org,2002:null"


def _line(text: str) -> str:
    return " ".join(text.split())
