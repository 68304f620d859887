"""Whether an endpoint's traffic names deployments that are there."""

from spec.azure.endpoint import Endpoint
from spec.findings import Scope
from spec.near import listing, suggestion


def check(scope: Scope, fields: Endpoint, names: list[str]) -> None:
    """Note names in `traffic` and `mirror_traffic` that no deployment has, that are there twice or contradict."""
    live = _named(scope, "traffic", fields.traffic)
    mirror = _named(scope, "mirror_traffic", fields.mirror_traffic)
    for key, found in (("traffic", live), ("mirror_traffic", mirror)):
        for name in found:
            if name.lower() not in names:
                hint = suggestion(name, names) or f" Deployments: {listing(names)}."
                message = f"`{key}` names the deployment `{name}`, which no file declares.{hint}"
                scope.error(
                    message,
                    key,
                    name,
                    found=name,
                    allowed=", ".join(sorted(names)) or "a deployment that a file declares",
                )
        if len({name.lower() for name in found}) < len(found):
            message = f"`{key}` names a deployment twice, in capitals and not: keep one."
            scope.error(message, key, found=", ".join(found), allowed="each deployment once")
    taken = {name.lower() for name in live}
    for name in mirror:
        if name.lower() in taken:
            message = (
                f"The deployment `{name}` takes live traffic, so it cannot be the mirror's target: choose another."
            )
            free = [other for other in sorted(names) if other not in taken]
            scope.error(
                message,
                "mirror_traffic",
                name,
                found=name,
                allowed=", ".join(free) or "a deployment without live traffic",
            )


def _named(scope: Scope, key: str, shares: dict[str, int]) -> list[str]:
    """The deployments with a share; as written where the shares are wrong."""
    written = scope.document.mapping.get(key)
    if not isinstance(written, dict) or not any(path[0] == key for path in scope.doubtful):
        return list(shares)
    return [str(name) for name, share in written.items() if share != 0]
