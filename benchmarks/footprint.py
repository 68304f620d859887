"""Part 4: memory, and how long the first load takes."""

from benchmarks import machine
from benchmarks.farm import Farm
from benchmarks.figures import Progress, Section
from benchmarks.options import Options


def measure(options: Options, farm: Farm, progress: Progress) -> list[Section]:
    """Look at every installation that this run uses."""
    columns = ("endpoints", "deployments", "Headgate MiB", "Envoy MiB", "first load s", "all live s", "CPU s so far")
    section = Section("4. Memory, and the first load", columns)
    sizes = {*(options.endpoints if "effect" in options.only or len(options.only) == 1 else ())}
    sizes |= {*(options.specs if "noop" in options.only else ())}
    for size in sorted(sizes or {*options.endpoints}):
        plane = farm.plane(size)
        progress(f"footprint: {size} endpoints")
        control, data = machine.resident_mib(plane.process.pid), machine.resident_mib(plane.envoy)
        loaded = plane.first("commit")
        live = plane.first("applied")
        cpu = machine.cpu_seconds_with_children(plane.process.pid, but="envoy")
        section.figures[str(size)] = {
            "headgate_mib": control,
            "envoy_mib": data,
            "first_load_s": loaded,
            "all_live_s": live,
        }
        deployments = size * len(plane.repository.deployments)
        cells = (f"{deployments:,}", f"{control:.0f}", f"{data:.0f}", f"{loaded:.1f}", f"{live:.1f}", f"{cpu:.0f}")
        section.rows.append((f"{size:,}", *cells))
    section.remarks += [
        "Resident memory after the other parts. First load: from Headgate's parts wired to the whole",
        "catalog; all live: until every route is acknowledged and recorded (replicas are ready at once).",
    ]
    return [section]
