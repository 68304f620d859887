"""What Git asks for, in the reconciler's own terms: the split T."""

from reconciler.split import Split
from router.table import TOTAL
from spec.catalog import EndpointSpec


def target_split(spec: EndpointSpec | None) -> Split:
    """T: each deployment's newest release with its share of the traffic map.

    Azure's traffic map totals 0 (nobody is served) or 100 percent.
    """
    if spec is None:
        return ()
    shares = {
        deployment.release.name: percent * TOTAL // 100
        for name, percent in spec.traffic
        if percent > 0 and (deployment := spec.deployment(name)) is not None
    }
    return tuple(sorted(shares.items()))


def mirror_target(spec: EndpointSpec | None) -> tuple[str, int] | None:
    """The deployment that live requests are copied to, and the percentage."""
    if spec is None or not spec.mirror_traffic:
        return None
    return spec.mirror_traffic[0]
