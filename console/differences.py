"""Which fields make two recipes different releases, told so that people know what they changed. Pure."""

from collections.abc import Iterator
from dataclasses import fields, replace

from spec.digest import digest
from spec.release import Artifact, Code, Environment, InstanceType, Model, Probe, Recipe

OID = 7
"""Digits of an object id that are shown."""
Told = tuple[str, str, str]
"""A field, what it was and what it becomes, as text; empty: not there."""


def differences(was: Recipe, to: Recipe) -> Iterator[str]:
    """Names of the recipe's fields whose change makes another release."""
    for field in fields(Recipe):
        swapped = replace(was, **{field.name: getattr(to, field.name)})
        if digest(swapped) != digest(was):
            yield field.name


def tell(was: Recipe, to: Recipe) -> Iterator[Told]:
    """Each field that makes another release; of environment variables only the name, for a value may be secret."""
    for name in differences(was, to):
        if name == "variables":
            yield from _variables(dict(was.variables), dict(to.variables))
        else:
            yield from _parts(name, getattr(was, name), getattr(to, name))


def _variables(was: dict[str, str], to: dict[str, str]) -> Iterator[Told]:
    for name in sorted(was.keys() | to.keys()):
        if was.get(name) != to.get(name):
            after = ("another value" if name in was else "a value") if name in to else ""
            yield f"environment_variables.{name}", "a value" if name in was else "", after


def _parts(name: str, was: object, to: object) -> Iterator[Told]:
    match was, to:
        case Environment(), Environment():
            yield from _environment(was, to)
        case Probe(), Probe():
            yield from _members(f"{name}_probe", was, to)
        case Code(), Code() if was.scoring_script != to.scoring_script:
            yield f"{name}.scoring_script", was.scoring_script, to.scoring_script
            if was.artifact.oid != to.artifact.oid:
                yield name, _text(was), _text(to)
        case _:
            yield name, _text(was), _text(to)


def _members(name: str, was: Probe, to: Probe) -> Iterator[Told]:
    for field in fields(Probe):
        before, after = getattr(was, field.name), getattr(to, field.name)
        if before != after:
            yield f"{name}.{field.name}", str(before), str(after)


def _environment(was: Environment, to: Environment) -> Iterator[Told]:
    gone, new = _lost(was.requirements, to.requirements), _lost(to.requirements, was.requirements)
    if gone or new:
        yield "environment", ", ".join(gone), ", ".join(new)
    elif was.image != to.image:
        yield "environment.image", was.image or "", to.image or ""
    else:
        yield "environment", was.label, to.label if to.label != was.label else f"{to.label}, with other content"


def _lost(one: tuple[str, ...], other: tuple[str, ...]) -> list[str]:
    return [requirement for requirement in one if requirement not in other]


def _text(value: object) -> str:
    match value:
        case None:
            return ""
        case bool():
            return str(value).lower()
        case Model(name=name, version=version, artifact=artifact):
            return f"{name}:{version} ({_id(artifact)})"
        case Code(artifact=artifact):
            return f"{artifact.path} ({_id(artifact)})"
        case InstanceType(name=name, cpu=cpu, memory=memory):
            return f"{name} ({cpu:g} CPU, {memory / 2**30:g} GiB)"
        case _:
            return str(value)


def _id(artifact: Artifact) -> str:
    return artifact.oid[:OID]
