"""What is known of an installation, as the shapes that people and scripts get. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass

from console import checked, shapes
from reconciler.conditions import assess, deployment_state, provisioning_state
from reconciler.plan import Seen
from reconciler.split import Split, split_at
from reconciler.state import Condition, Memory, Shifting
from runtime.replica import ReplicaSeen
from spec.catalog import DeploymentSpec, EndpointSpec


@dataclass(frozen=True, slots=True)
class Address:
    """Where the router listens, as clients write it."""

    scheme: str
    host: str
    port: int
    domain: str | None
    connect: str
    """The address to connect to, whatever name the URL has."""

    def base(self, endpoint: str) -> str:
        """The endpoint's base URL, without a final slash."""
        if self.domain:
            return f"{self.scheme}://{endpoint}.{self.domain}:{self.port}"
        return self.path_base(endpoint)

    def path_base(self, endpoint: str) -> str:
        """The base URL that needs no domain, and goes on working with one."""
        return f"{self.scheme}://{self.host}:{self.port}/endpoints/{endpoint}"


@dataclass(frozen=True, slots=True)
class Subject:
    """One endpoint as it is now; `commit` is the commit it has been judged for."""

    memory: Memory
    seen: Seen
    commit: str | None


def endpoint_status(subject: Subject, address: Address) -> shapes.EndpointStatus:
    """The endpoint's line in `status`."""
    memory, spec = subject.memory, subject.memory.spec
    return shapes.EndpointStatus(
        name=memory.endpoint,
        scoring_uri=f"{address.base(memory.endpoint)}/score",
        auth_mode=spec.auth_mode if spec else "key",
        provisioning_state=provisioning_state(memory, memory.conditions),
        traffic=dict(spec.traffic) if spec else {},
        split=percent(live_split(memory, subject.seen)),
        mirror_traffic=dict(spec.mirror_traffic) if spec else {},
        conditions=tuple(condition(found, subject.commit) for found in memory.conditions),
        deployments=tuple(_deployment(found, subject) for found in (spec.deployments if spec else ())),
    )


def endpoint_detail(subject: Subject, address: Address) -> shapes.EndpointDetail:
    """The endpoint with what explains its state."""
    status, spec = endpoint_status(subject, address), subject.memory.spec
    deployments = tuple(_detail(found, subject, spec) for found in status.deployments) if spec else ()
    fields = {name: getattr(status, name) for name in shapes.EndpointStatus.model_fields if name != "deployments"}
    return shapes.EndpointDetail(
        **fields,
        deployments=deployments,
        path_scoring_uri=f"{address.path_base(status.name)}/score",
        openapi_uri=f"{address.base(status.name)}/swagger.json",
        file=spec.file if spec else "",
    )


def live_split(memory: Memory, seen: Seen) -> Split:
    """The split that Envoy serves, as far as it has confirmed one; until it has answered, what it was shown."""
    if seen.route is None:
        return memory.route.split if memory.route else ()
    if seen.route.route is None:
        return ()
    if not seen.route.settled and isinstance(memory.phase, Shifting):
        run = memory.phase.run
        return split_at(run.source, run.target, run.carried)
    return seen.route.route.split


def percent(split: Split) -> dict[str, float]:
    """Shares in percent by release."""
    return {release: share / 100 for release, share in split}


def condition(found: Condition, commit: str | None) -> shapes.Condition:
    """One condition; `commit` replaces the one at which it was first true, once it has been judged anew."""
    return shapes.Condition(
        type=found.type,
        status=found.status,
        reason=found.reason,
        message=found.message,
        observed_commit=commit or found.observed_commit or None,
    )


def _deployment(deployment: DeploymentSpec, subject: Subject) -> shapes.DeploymentStatus:
    health = assess(deployment, subject.memory, subject.seen)
    release = (subject.seen.releases or {}).get(deployment.release.name)
    return shapes.DeploymentStatus(
        name=deployment.name,
        provisioning_state=deployment_state(health, subject.memory),
        release=deployment.release.name,
        instance_count=deployment.instance_count,
        ready=len(release.ready) if release else 0,
        live=_live(deployment, subject),
        checks=checked.last(subject.seen, deployment.release.name) if deployment.checks else None,
    )


def _live(deployment: DeploymentSpec, subject: Subject) -> shapes.LiveRelease | None:
    name = subject.memory.promoted_release(deployment.name)
    found = (subject.seen.releases or {}).get(name or "")
    if name is None or found is None or name == deployment.release.name:
        return None
    return shapes.LiveRelease(release=name, instance_count=found.wanted, ready=len(found.ready))


def _detail(status: shapes.DeploymentStatus, subject: Subject, spec: EndpointSpec) -> shapes.DeploymentDetail:
    deployment = spec.deployment(status.name)
    health = assess(deployment, subject.memory, subject.seen) if deployment else None
    found = (
        shapes.Condition(
            type="Ready",
            status="True" if health.ready else "False" if health.failed else "Unknown",
            reason=health.reason,
            message=health.message,
            observed_commit=subject.commit,
        )
        if health
        else None
    )
    return shapes.DeploymentDetail(
        **status.model_dump(),
        conditions=(found,) if found else (),
        replicas=tuple(_replicas(status.name, subject.seen)),
    )


def _replicas(deployment: str, seen: Seen) -> list[shapes.ReplicaShape]:
    releases: Mapping[str, object] = seen.releases or {}
    names = sorted(name for name in releases if name.split("@", 1)[0] == deployment)
    return [_replica(name, found) for name in names for found in (seen.releases or {})[name].replicas]


def _replica(release: str, replica: ReplicaSeen) -> shapes.ReplicaShape:
    return shapes.ReplicaShape(
        id=replica.id,
        state=replica.state.value,
        release=release,
        restarts=replica.restarts,
        since=replica.since,
        reason=replica.reason,
        message=replica.message,
    )
