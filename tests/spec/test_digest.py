"""Upgrading Headgate starts no rollout: a digest in this file never changes."""

from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spec.digest import digest
from spec.release import (
    Artifact,
    BuildContext,
    Code,
    Environment,
    HttpRoute,
    InferenceConfig,
    InstanceType,
    Model,
    Probe,
    Recipe,
    Server,
)

OID = "5716ca5987cbf97d6bb54920bea6adde242d87e6"
OTHER_OID = "257cc5642cb1a054f08cc83f2d943e56fd3ebe99"
SIZE = InstanceType("Standard_DS3_v2", 4.0, 14 << 30)
ROUTES = InferenceConfig(HttpRoute("/live", 8501), HttpRoute("/ready", 8501), HttpRoute("/score", 8501))

MINIMAL = Recipe(Server.INFERENCE_SERVER, "process", Environment("inline in blue.yml"), SIZE)
SCORED = replace(
    MINIMAL,
    environment=Environment("azureml:sklearn-1.5:3", curated="sklearn-1.5:1", python="3.10", requirements=("numpy",)),
    model=Model("fraud", "3", "custom_model", Artifact(OID, "directory", "models/fraud/model")),
    code=Code(Artifact(OTHER_OID, "directory", "endpoints/fraud/code"), "score.py"),
    variables=(("LOG_LEVEL", "info"), ("THRESHOLD", "0.5")),
)
FULL = replace(
    SCORED,
    server=Server.CONTAINER,
    runtime="docker",
    environment=Environment(
        "azureml:tf:1",
        image="tensorflow/serving:2.16",
        build=BuildContext(Artifact(OID, "directory", "docker/context"), "Dockerfile"),
        conda='{"dependencies":["python=3.10"]}',
        curated="sklearn-1.5:1",
        inference_config=ROUTES,
    ),
    instance_type=InstanceType("big", 16.0, 64 << 30, 2),
    liveness=Probe(30, 5, 4, 1, 3),
    readiness=Probe(20, 5, 3, 2, 6),
    request_timeout_ms=90_000,
    max_concurrent_requests_per_instance=8,
    app_insights_enabled=True,
    data_collector='{"collections":{"request":{"enabled":true}}}',
    model_mount_path="/var/tfserving-model-mount",
    exact_python=True,
)


@pytest.mark.parametrize(
    ("recipe", "expected"),
    [(MINIMAL, "a9e069364e12"), (SCORED, "882e8b8be90c"), (FULL, "08d6f09a63ca")],
    ids=["minimal", "scored", "full"],
)
def test_golden(recipe: Recipe, expected: str) -> None:
    assert digest(recipe) == expected


# Every field of every type that a recipe holds is one or the other: a new field must be placed here, and one that
# counts must be left out of the digest where it equals its default.
COUNTS = {
    Recipe: {field.name for field in fields(Recipe)},
    Environment: {"image", "build", "conda", "curated", "inference_config"},
    BuildContext: {"artifact", "dockerfile_path"},
    InferenceConfig: {"liveness_route", "readiness_route", "scoring_route"},
    HttpRoute: {"path", "port"},
    InstanceType: {"name", "cpu", "memory", "gpu"},
    Model: {"name", "version", "type", "artifact"},
    Code: {"artifact", "scoring_script"},
    Artifact: {"oid", "kind", "path"},
    Probe: {"initial_delay", "period", "timeout", "success_threshold", "failure_threshold"},
}
DERIVED = {Environment: {"label", "python", "requirements", "pip_options"}}


def test_every_field_is_placed() -> None:
    for kind, counted in COUNTS.items():
        assert {field.name for field in fields(kind)} == counted | DERIVED.get(kind, set()), kind.__name__


texts = st.text(min_size=1, max_size=8)
artifacts = st.builds(Artifact, st.text("0123456789abcdef", min_size=40, max_size=40), st.just("directory"), texts)
routes = st.builds(HttpRoute, texts, st.integers(1, 65535))
counts = st.integers(1, 600)
environments = st.builds(
    Environment,
    label=texts,
    image=st.none() | texts,
    build=st.none() | st.builds(BuildContext, artifacts, texts),
    conda=st.none() | texts,
    curated=st.none() | texts,
    inference_config=st.none() | st.builds(InferenceConfig, routes, routes, routes),
    python=st.none() | texts,
    requirements=st.lists(texts, max_size=2).map(tuple),
    pip_options=st.lists(texts, max_size=2).map(tuple),
)
recipes = st.builds(
    Recipe,
    server=st.sampled_from(Server),
    runtime=st.sampled_from(["process", "docker", "kubernetes"]),
    environment=environments,
    instance_type=st.builds(InstanceType, texts, st.floats(0.1, 96), st.integers(1, 1 << 40), st.integers(0, 8)),
    model=st.none() | st.builds(Model, texts, texts, st.just("custom_model"), artifacts),
    code=st.none() | st.builds(Code, artifacts, texts),
    variables=st.dictionaries(texts, texts, max_size=3).map(lambda pairs: tuple(pairs.items())),
    liveness=st.builds(Probe, counts, counts, counts, counts, counts),
    readiness=st.builds(Probe, counts, counts, counts, counts, counts),
    request_timeout_ms=counts,
    max_concurrent_requests_per_instance=counts,
    app_insights_enabled=st.booleans(),
    data_collector=st.none() | texts,
    model_mount_path=st.none() | texts,
    exact_python=st.booleans(),
)

Change = Callable[[Any], Any]


def _on(owner: str, **changes: Change) -> Change:
    """Change fields of `recipe.<owner>`, which must be there."""

    def change(recipe: Recipe) -> Recipe:
        part = getattr(recipe, owner)
        return replace(
            recipe, **{owner: replace(part, **{name: to(getattr(part, name)) for name, to in changes.items()})}
        )

    return change


def _text(value: str | None) -> str:
    return f"{value or ''}x"


def _more(value: float) -> float:
    return value + 1


def _oid(artifact: Artifact) -> Artifact:
    return replace(artifact, oid=f"{artifact.oid[:-1]}{'1' if artifact.oid[-1] == '0' else '0'}")


def _kind(artifact: Artifact) -> Artifact:
    return replace(artifact, kind="file" if artifact.kind == "directory" else "directory")


def _basename(artifact: Artifact) -> Artifact:
    return replace(artifact, path=f"{artifact.path.rstrip('/')}x")


def _route(route: HttpRoute) -> HttpRoute:
    return replace(route, path=f"{route.path}x")


def _port(route: HttpRoute) -> HttpRoute:
    return replace(route, port=route.port + 1)


def _in_build(**changes: Change) -> Change:
    return _on(
        "environment",
        build=lambda build: replace(build, **{name: to(getattr(build, name)) for name, to in changes.items()}),
    )


def _in_config(name: str, to: Change) -> Change:
    return _on("environment", inference_config=lambda config: replace(config, **{name: to(getattr(config, name))}))


MATTERS: dict[str, Change] = {
    "server": lambda recipe: replace(
        recipe, server=Server.MLFLOW if recipe.server is not Server.MLFLOW else Server.TRITON
    ),
    "runtime": lambda recipe: replace(recipe, runtime=f"{recipe.runtime}x"),
    **{f"environment.{name}": _on("environment", **{name: _text}) for name in ("image", "conda", "curated")},
    "environment.build.oid": _in_build(artifact=_oid),
    "environment.build.basename": _in_build(artifact=_basename),
    "environment.build.dockerfile": _in_build(dockerfile_path=_text),
    **{
        f"environment.inference_config.{name}.{to.__name__}": _in_config(name, to)
        for name in ("liveness_route", "readiness_route", "scoring_route")
        for to in (_route, _port)
    },
    "instance_type.name": _on("instance_type", name=_text),
    **{f"instance_type.{name}": _on("instance_type", **{name: _more}) for name in ("cpu", "memory", "gpu")},
    **{f"model.{name}": _on("model", **{name: _text}) for name in ("name", "version")},
    "model.type": _on("model", type=lambda _: "mlflow_model"),
    **{
        f"{owner}.artifact.{to.__name__}": _on(owner, artifact=to)
        for owner in ("model", "code")
        for to in (_oid, _kind, _basename)
    },
    "model.none": lambda recipe: replace(recipe, model=None),
    "code.none": lambda recipe: replace(recipe, code=None),
    "code.scoring_script": _on("code", scoring_script=_text),
    "variables.more": lambda recipe: replace(recipe, variables=(*recipe.variables, ("A LONG NAME", ""))),
    "variables.value": lambda recipe: replace(recipe, variables=(("X" * 9, "y"), *recipe.variables)),
    **{
        f"{owner}.{field.name}": _on(owner, **{field.name: _more})
        for owner in ("liveness", "readiness")
        for field in fields(Probe)
    },
    **{
        name: (lambda recipe, name=name: replace(recipe, **{name: getattr(recipe, name) + 1}))
        for name in ("request_timeout_ms", "max_concurrent_requests_per_instance")
    },
    **{
        name: (lambda recipe, name=name: replace(recipe, **{name: not getattr(recipe, name)}))
        for name in ("app_insights_enabled", "exact_python")
    },
    **{
        name: (lambda recipe, name=name: replace(recipe, **{name: _text(getattr(recipe, name))}))
        for name in ("data_collector", "model_mount_path")
    },
}

COMPLETE = recipes.map(
    lambda recipe: replace(
        recipe,
        environment=replace(
            recipe.environment,
            build=recipe.environment.build or FULL.environment.build,
            inference_config=recipe.environment.inference_config or ROUTES,
        ),
        model=recipe.model or FULL.model,
        code=recipe.code or FULL.code,
    )
)


@pytest.mark.parametrize("name", MATTERS)
@settings(max_examples=15)
@given(recipe=COMPLETE)
def test_what_a_replica_sees_matters(name: str, recipe: Recipe) -> None:
    assert digest(MATTERS[name](recipe)) != digest(recipe)


@given(recipe=recipes, label=texts, python=texts, requirements=st.lists(texts).map(tuple))
def test_what_is_derived_does_not(recipe: Recipe, label: str, python: str, requirements: tuple[str, ...]) -> None:
    derived = replace(
        recipe.environment, label=label, python=python, requirements=requirements, pip_options=requirements
    )
    assert digest(replace(recipe, environment=derived)) == digest(recipe)


@given(recipe=COMPLETE, folder=texts)
def test_where_an_artifact_lies_does_not(recipe: Recipe, folder: str) -> None:
    assert recipe.model is not None
    moved = replace(recipe.model.artifact, path=f"{folder}/{recipe.model.artifact.basename}")
    assert digest(replace(recipe, model=replace(recipe.model, artifact=moved))) == digest(recipe)


@given(recipe=recipes)
def test_the_order_of_variables_does_not(recipe: Recipe) -> None:
    assert digest(replace(recipe, variables=recipe.variables[::-1])) == digest(recipe)


@given(one=recipes, other=recipes)
def test_equal_digests_mean_equal_content(one: Recipe, other: Recipe) -> None:
    assert (digest(one) == digest(other)) == (_content(one) == _content(other))


def _content(recipe: Recipe) -> Recipe:
    environment = replace(recipe.environment, label="", python=None, requirements=(), pip_options=())
    named = replace(recipe, environment=environment, variables=tuple(sorted(recipe.variables)))
    if named.model:
        bare = replace(named.model.artifact, path=named.model.artifact.basename)
        named = replace(named, model=replace(named.model, artifact=bare))
    if named.code:
        bare = replace(named.code.artifact, path=named.code.artifact.basename)
        named = replace(named, code=replace(named.code, artifact=bare))
    build = named.environment.build
    if build:
        context = replace(build.artifact, path=build.artifact.basename)
        named = replace(named, environment=replace(named.environment, build=replace(build, artifact=context)))
    return named


def test_a_whole_number_of_cores_is_the_same_however_it_is_written() -> None:
    assert digest(replace(MINIMAL, instance_type=InstanceType("a", 2, 1))) == digest(
        replace(MINIMAL, instance_type=InstanceType("a", 2.0, 1))
    )
