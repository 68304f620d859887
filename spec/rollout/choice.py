"""Which policy an endpoint has: exact name before pattern before tags before the repository's default."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from fnmatch import translate

from spec.policy import BUILT_IN, RolloutPolicy
from spec.problem import Problem
from spec.repository import Repository

Tags = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Claim:
    """One policy file, and to which endpoints it lays claim."""

    file: str
    policy: RolloutPolicy = BUILT_IN
    names: tuple[str, ...] = ()
    """`endpoints`, in the file's order: names and patterns."""
    tags: Tags = ()
    problems: tuple[Problem, ...] = ()
    """Not empty: whoever would have this policy has none that is known."""
    is_known: bool = True
    """False: the file does not tell to whom it belongs, so it may be anybody's."""

    @property
    def is_default(self) -> bool:
        """Whether it is for all that no other policy names."""
        return self.is_known and not self.names and not self.tags

    def concerns(self, name: str, tags: Tags) -> bool:
        """Whether its appearing, changing or going may change what the endpoint has."""
        if not self.is_known or self.is_default or name in self.names:
            return True
        is_tagged = bool(self.tags) and set(self.tags) <= set(tags)
        return is_tagged or any(_matcher(one)(name) is not None for one in self.names if is_pattern(one))


@dataclass(frozen=True, slots=True)
class Policies:
    """All policies of a commit, by what they are looked up by."""

    by_name: Mapping[str, tuple[Claim, ...]] = field(default_factory=dict)
    patterns: tuple[tuple[Callable[[str], object], Claim], ...] = ()
    tagged: tuple[Claim, ...] = ()
    defaults: tuple[Claim, ...] = ()
    unknown: tuple[Claim, ...] = ()

    @classmethod
    def of(cls, claims: Iterable[Claim]) -> "Policies":
        """Sort claims by kind; each kind in the order of their files."""
        ordered = sorted(claims, key=lambda claim: claim.file)
        by_name: dict[str, tuple[Claim, ...]] = {}
        for claim in ordered:
            for name in dict.fromkeys(one for one in claim.names if not is_pattern(one)):
                by_name[name] = (*by_name.get(name, ()), claim)
        return cls(
            by_name,
            tuple((_matcher(one), claim) for claim in ordered for one in claim.names if is_pattern(one)),
            tuple(claim for claim in ordered if claim.tags),
            tuple(claim for claim in ordered if claim.is_default),
            tuple(claim for claim in ordered if not claim.is_known),
        )

    def claims(self, name: str, tags: Tags) -> tuple[Claim, ...]:
        """The claims on an endpoint that no other comes before; more than one: they tie."""
        if self.unknown or name in self.by_name:
            return (*self.unknown, *self.by_name.get(name, ()))
        matching = {claim.file: claim for match, claim in self.patterns if match(name) is not None}
        if matching:
            return tuple(matching.values())
        own = set(tags)
        return tuple(claim for claim in self.tagged if set(claim.tags) <= own) or self.defaults


def is_pattern(name: str) -> bool:
    """Whether a name stands for several endpoints."""
    return "*" in name or "?" in name


def choose(
    repository: Repository, claims: tuple[Claim, ...], name: str
) -> tuple[RolloutPolicy | None, tuple[Problem, ...]]:
    """The policy that the claims leave, or None and why."""
    broken = tuple(problem for claim in claims for problem in claim.problems)
    if broken:
        return None, tuple(sorted(set(broken)))
    if len(claims) > 1:
        return None, ties(repository, claims, name)
    return claims[0].policy if claims else BUILT_IN, ()


def ties(repository: Repository, claims: tuple[Claim, ...], name: str = "") -> tuple[Problem, ...]:
    """Say at each file that it ties with the others; no endpoint's name: they are defaults."""
    return tuple(_tie(repository, claim, [one for one in claims if one is not claim], name) for claim in claims)


def strangers(claims: Iterable[Claim], is_declared: Callable[[str], bool]) -> Iterator[tuple[Claim, int]]:
    """Names in policies of endpoints that nobody declares: the claim, and the place in its list."""
    for claim in claims:
        for index, name in enumerate(claim.names):
            if not claim.problems and not is_pattern(name) and not is_declared(name):
                yield claim, index


def _tie(repository: Repository, claim: Claim, others: list[Claim], name: str) -> Problem:
    listed = " and ".join(f"`{one.file}`" for one in others)
    key, words, remedy = _ground(claim, name)
    message = f"{words} {listed}, and neither comes before the other: {remedy}."
    return repository.document(claim.file).problem(key, message, found=listed, allowed="one policy for each endpoint")


def _ground(claim: Claim, name: str) -> tuple[tuple[str | int, ...], str, str]:
    """Where a claim stands in its file, what it says, and the remedy; without the name where many may share it."""
    if name in claim.names:
        words = f"The endpoint `{name}` is named by this policy and by"
        return ("endpoints", claim.names.index(name)), words, "keep it in one of them"
    for index, one in enumerate(claim.names):
        if is_pattern(one) and _matcher(one)(name) is not None:
            words = f"`{one}` matches endpoints that are matched too by"
            return ("endpoints", index), words, "narrow a pattern, or name such endpoints in full in one of them"
    if claim.tags:
        words = "Endpoints have these tags and also those of"
        return ("tags",), words, "ask for more tags, or name such endpoints in one of them"
    words = "This policy is for all endpoints that no other names, and so is that of"
    return ("kind",), words, "keep one, or give one of them `endpoints` or `tags`"


def _matcher(pattern: str) -> Callable[[str], object]:
    return re.compile(translate(pattern)).match
