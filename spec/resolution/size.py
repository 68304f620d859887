"""A deployment's `instance_type` and `resources` to a size."""

from dataclasses import replace

from spec import instances
from spec.azure.deployment import Deployment, KubernetesDeployment, Resources
from spec.findings import Scope
from spec.near import suggestion
from spec.quantity import amount, cores, size
from spec.release import InstanceType
from spec.resolution.ground import Ground

_SUCH = {"cpu": "2 or 500m", "memory": "512Mi or 2Gi", "gpu": "1"}


def resolve(ground: Ground, scope: Scope, fields: Deployment) -> InstanceType | None:
    """The size of one replica, or None with problems."""
    found = _named(ground, scope, fields.instance_type) if fields.instance_type else instances.DEFAULT
    if not isinstance(fields, KubernetesDeployment) or fields.resources is None:
        return found
    limited = _limited(scope.below("resources"), found or instances.DEFAULT, fields.resources)
    return limited if found is not None else None


def _named(ground: Ground, scope: Scope, name: str) -> InstanceType | None:
    own = ground.settings.instance_types
    found = instances.find(name, own)
    if found is None and ground.is_settled:
        known = (*own, *instances.names())
        message = (
            f"The instance type `{name}` is not known.{suggestion(name, known)} Use a known one, "
            "or declare it below `instance_types:` in the settings file."
        )
        scope.error(message, "instance_type", found=name, allowed=", ".join(known))
    return found


def _limited(scope: Scope, base: InstanceType, resources: Resources) -> InstanceType | None:
    """The size with the limits, or else the requests, in place of the type's own."""
    values = {
        key: (kind, getattr(part, key))
        for kind, part in (("requests", resources.requests), ("limits", resources.limits))
        for key in ("cpu", "memory", "gpu")
        if getattr(part, key)
    }
    is_good = True
    readers = {"cpu": cores, "memory": size, "gpu": amount}
    for key, (kind, written) in values.items():
        read = readers[key](written)
        if read is None:
            spelt = "nvidia.com/gpu" if key == "gpu" else key
            message = f"`{written}` is no amount of {spelt}: write it as Kubernetes does, such as {_SUCH[key]}."
            scope.error(message, kind, spelt, found=written, allowed=_SUCH[key])
            is_good = False
        else:
            base = _with(base, key, read)
    return base if is_good else None


def _with(base: InstanceType, key: str, value: float) -> InstanceType:
    match key:
        case "cpu":
            return replace(base, cpu=float(value))
        case "memory":
            return replace(base, memory=int(value))
        case _:
            return replace(base, gpu=int(value))
