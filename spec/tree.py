"""YAML events to a tree of nodes with places, without recursion and within limits."""

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field

import yaml
from yaml.constructor import SafeConstructor
from yaml.resolver import Resolver

MAX_DEPTH = 64
MAX_NODES = 100_000
"""Nodes of one document, every alias counted as what it stands for."""
MAX_DIGITS = 400

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_MERGE = "tag:yaml.org,2002:merge"
_TEXT = "tag:yaml.org,2002:str"
_PLAIN_KINDS = frozenset({None, "!", "tag:yaml.org,2002:map", "tag:yaml.org,2002:seq"})


Place = tuple[int, int]
"""Line and column, both from 1."""


class Refused(Exception):  # noqa: N818 - not an error of the program: a verdict on the text, caught next door
    """The text is YAML, and not YAML that is taken."""

    def __init__(self, place: Place, message: str) -> None:
        super().__init__(message)
        self.line, self.column = place
        self.message = message


@dataclass(slots=True)
class Node:
    """One value: where it starts (from 1), what it is, and how many nodes it stands for."""

    line: int
    column: int
    data: object
    size: int = 1
    entries: dict[Hashable, tuple[int, int, "Node"]] | None = None
    """Of a mapping: key → the key's line and column, and the value."""
    members: list["Node"] | None = None

    def entry(self, key: Hashable) -> tuple[int, int, "Node"] | None:
        """The entry of a mapping, or the member of a list, with its place."""
        if self.entries is not None:
            return self.entries.get(key)
        if self.members is not None and isinstance(key, int) and 0 <= key < len(self.members):
            member = self.members[key]
            return member.line, member.column, member
        return None


@dataclass(slots=True)
class Tree:
    """A document's nodes, and the keys that were there twice: key, line, column, first line."""

    root: Node
    duplicates: list[tuple[Hashable, int, int, int]]


@dataclass(slots=True)
class _Open:
    """A mapping or list whose end has not come yet."""

    node: Node
    anchor: str | None
    key: tuple[Node, bool] | None = None
    """The key that waits for its value, and whether it is the merge key."""
    merges: list[Node] = field(default_factory=list)


class _Grower:
    """Takes events one by one and keeps the open collections on a stack."""

    def __init__(self) -> None:
        self.root: Node | None = None
        self.duplicates: list[tuple[Hashable, int, int, int]] = []
        self._stack: list[_Open] = []
        self._anchors: dict[str, Node] = {}
        self._resolve: Callable[..., str] = Resolver().resolve
        self._constructor = SafeConstructor()

    def take(self, event: yaml.Event) -> None:
        """Advance by one event."""
        match event:
            case yaml.ScalarEvent():
                self._scalar(event)
            case yaml.MappingStartEvent() | yaml.SequenceStartEvent():
                self._open(event)
            case yaml.MappingEndEvent() | yaml.SequenceEndEvent():
                self._close(event)
            case yaml.AliasEvent():
                self._alias(event)
            case yaml.DocumentStartEvent() if self.root is not None:
                raise Refused(_place(event), "A second document starts here: one file holds one document.")
            case _:
                pass

    def _scalar(self, event: yaml.ScalarEvent) -> None:
        tag = event.tag
        if tag is None or tag == "!":
            tag = self._resolve(yaml.ScalarNode, event.value, event.implicit)
        place = _place(event)
        value = event.value if tag in (_TEXT, _MERGE) else self._construct(tag, event)
        node = Node(*place, value)
        self._remember(event.anchor, node)
        self._put(node, place, merge=tag == _MERGE)

    def _construct(self, tag: str, event: yaml.ScalarEvent) -> object:
        if len(event.value) > MAX_DIGITS and tag != "tag:yaml.org,2002:null":
            raise Refused(_place(event), "This number is too long: quote it if it is text.")
        try:
            return self._constructor.construct_object(yaml.ScalarNode(tag, event.value))
        except (yaml.YAMLError, ValueError, LookupError, AttributeError, OverflowError) as error:
            raise Refused(
                _place(event), "This is not a value of the kind that its tag or form says: quote it."
            ) from error

    def _open(self, event: yaml.MappingStartEvent | yaml.SequenceStartEvent) -> None:
        place = _place(event)
        if event.tag not in _PLAIN_KINDS:
            raise Refused(place, "This tag is not taken: only plain mappings, lists and scalars are.")
        if len(self._stack) >= MAX_DEPTH:
            raise Refused(place, f"This is nested deeper than {MAX_DEPTH} levels: flatten it.")
        node = Node(*place, None)
        if isinstance(event, yaml.MappingStartEvent):
            node.data, node.entries = {}, {}
        else:
            node.data, node.members = [], []
        self._stack.append(_Open(node, event.anchor))

    def _close(self, event: yaml.Event) -> None:
        opened = self._stack.pop()
        for merged in opened.merges:
            _merge(opened.node, merged)
        self._remember(opened.anchor, opened.node)
        self._put(opened.node, _place(event))

    def _alias(self, event: yaml.AliasEvent) -> None:
        anchored = self._anchors.get(event.anchor or "")
        if anchored is None:
            raise Refused(_place(event), "This alias names no anchor that is complete here: quote it if it is text.")
        self._put(anchored, _place(event))

    def _remember(self, anchor: str | None, node: Node) -> None:
        if anchor is not None:
            self._anchors[anchor] = node

    def _put(self, node: Node, place: Place, *, merge: bool = False) -> None:
        if not self._stack:
            self.root = node
            return
        top = self._stack[-1]
        if top.node.members is not None:
            _append(top.node, node, place)
        elif top.key is None:
            top.key = (_hashable(node, place), merge)
        else:
            key, is_merge = top.key
            top.key = None
            self._pair(top, key, node, place) if not is_merge else top.merges.extend(_merged(node, place))

    def _pair(self, top: _Open, key: Node, value: Node, place: Place) -> None:
        name = key.data
        entries = top.node.entries
        if entries is None or not isinstance(name, Hashable):
            return
        if name in entries:
            self.duplicates.append((name, key.line, key.column, entries[name][0]))
        _insert(top.node, name, (key.line, key.column, value))
        _weigh(top.node, value, place)


def grow(text: str) -> Tree:
    """Build the tree of the one document in `text`; raises `Refused` and `yaml.YAMLError`."""
    grower = _Grower()
    for event in yaml.parse(text, _LOADER):
        grower.take(event)
    return Tree(grower.root or Node(1, 1, None), grower.duplicates)


def _place(event: yaml.Event) -> Place:
    mark = event.start_mark
    return (1, 1) if mark is None else (mark.line + 1, mark.column + 1)


def _hashable(node: Node, place: Place) -> Node:
    if node.entries is not None or node.members is not None:
        raise Refused(place, "A key must be text, and this one is a mapping or a list: quote it.")
    return node


def _append(top: Node, node: Node, place: Place) -> None:
    if top.members is not None and isinstance(top.data, list):
        top.members.append(node)
        top.data.append(node.data)
    _weigh(top, node, place)


def _insert(top: Node, name: Hashable, entry: tuple[int, int, Node]) -> None:
    if top.entries is not None and isinstance(top.data, dict):
        top.entries[name] = entry
        top.data[name] = entry[2].data


def _weigh(top: Node, node: Node, place: Place) -> None:
    top.size += node.size
    if top.size > MAX_NODES:
        raise Refused(place, f"With its aliases written out this has more than {MAX_NODES} values: use fewer.")


def _merged(node: Node, place: Place) -> list[Node]:
    """What a merge key brings, the strongest first."""
    if node.entries is not None:
        return [node]
    members = node.members or []
    if not members or any(member.entries is None for member in members):
        raise Refused(place, "The merge key `<<` takes a mapping or a list of mappings.")
    return members


def _merge(target: Node, source: Node) -> None:
    for name, entry in (source.entries or {}).items():
        if target.entries is not None and name not in target.entries:
            _insert(target, name, entry)
            target.size += entry[2].size
