"""Interaction scripts: commands, a line of dashes, and what the world then looks like.

A stanza is a few commands, `----`, and the expected description; stanzas are separated by an empty line, and share
one world. `pytest --rewrite` writes the descriptions anew: read the difference before committing it.

    push blue=1x2 : blue 100      deployments (content 1, two replicas), then the traffic map [mirror green 10]
    push nothing | push nonsense  the endpoint's files are gone, or cannot be read
    hold                          its removal waits for an operator
    step [after N]                one pass; with `after` Headgate is killed when N actions are done
    ready NAME [N] | dies NAME [all] | fails NAME REASON | build NAME REASON
    ack [N]                       Envoy takes the oldest N pushes (all, without N)
    nack REASON                   Envoy refuses the last push
    lose router|runtime           it has not answered yet; `find` ends that
    request NAME | finish         a request starts on a replica, or all end
    stopped                       replicas that were told to stop are gone
    wait 6s                       time passes
    policy NAME                   of the pushes that follow: immediate, stepwise, careful, proportional, ...
    saw NAME ok 20 5xx 3          live requests were answered; `count off` and `count on`: nothing is counted
    restart                       Headgate was away: counting begins anew
    order KIND                    somebody orders something, and one pass is made
    examined GATE NAME VERDICT    an examination has ended
    calm [N]                      N times (4, without N) a second of good weather, then a pass
    edit blue@1 50 blue@2 50      somebody changes the split in the router by hand
"""

from collections.abc import Callable
from dataclasses import replace

from policies import POLICIES
from world import World, deployment, endpoint

from observability.verdict import Verdict
from reconciler.plan import ApplyRelease, DropRoute, ForgetRelease, PutRoute
from reconciler.run import Run
from reconciler.split import describe
from reconciler.state import Paused, Phase, Removing, Reverting, Settled, Shifting, Warming
from runtime.replica import Blame, Preparation, ReplicaState, Stage
from spec.problem import Problem


def run(text: str) -> str:
    """The script with its descriptions written anew."""
    world, told = World(), []
    world.policy = POLICIES["immediate"]
    for stanza in text.strip("\n").split("\n\n"):
        commands = stanza.split("\n----")[0]
        for line in commands.splitlines():
            if line and not line.startswith("#"):
                perform(world, line)
        told.append(f"{commands}\n----\n{show(world)}")
    assert world.violations == [], world.violations
    return "\n\n".join(told) + "\n"


def perform(world: World, line: str) -> None:
    command, _, rest = line.partition(" ")
    COMMANDS[command](world, rest)


def full(name: str) -> str:
    """`blue@1` → the release's whole name."""
    deployment_name, _, content = name.partition("@")
    return f"{deployment_name}@{content.ljust(12, '0')}"


def short(text: str) -> str:
    """The other way round, anywhere in a text."""
    return text.replace("00000000000", "")


def push(world: World, rest: str) -> None:
    world.problems, world.held = (), ""
    if rest in {"nothing", "nonsense"}:
        world.commit(None)
        world.problems = (Problem("endpoint.yml", 1, 1, "name", "is missing"),) if rest == "nonsense" else ()
        return
    deployments, _, traffic = rest.partition(" : ")
    traffic, _, mirror = traffic.partition(" mirror ")
    made = []
    for item in deployments.split():
        name, _, content = item.partition("=")
        content, _, count = content.partition("x")
        made.append(deployment(name, content, int(count or 1)))
    world.commit(endpoint(_shares(traffic), *made, mirror=_shares(mirror), policy=world.policy))


def _shares(text: str) -> dict[str, int]:
    words = text.split()
    return {name: int(share) for name, share in zip(words[::2], words[1::2], strict=True)}


def step(world: World, rest: str) -> None:
    world.step(int(rest.removeprefix("after ")) if rest else None)


def ready(world: World, rest: str) -> None:
    name, _, count = rest.partition(" ")
    release = world.releases[full(name)]
    world.prepare(release)
    starting = [replica for replica in release.replicas if replica.state is not ReplicaState.READY]
    for replica in starting[: int(count or len(starting))]:
        replica.state, replica.reason = ReplicaState.READY, ""


def dies(world: World, rest: str) -> None:
    name, _, everybody = rest.partition(" ")
    for index in range(len(world.releases[full(name)].replicas) if everybody else 1):
        world.kill_replica(full(name), index)


def fails(world: World, rest: str) -> None:
    name, reason = rest.split()
    release = world.releases[full(name)]
    world.prepare(release)
    for replica in release.replicas:
        replica.state, replica.reason, replica.restarts = ReplicaState.WAITING, reason, 2


def build(world: World, rest: str) -> None:
    name, reason = rest.split()
    blame = Blame.WORLD if reason == "RegistryUnavailable" else Blame.RELEASE
    world.releases[full(name)].preparation = Preparation(Stage.FAILED, reason, reason, blame)


def ack(world: World, rest: str) -> None:
    for _ in range(int(rest or len(world.envoy.waiting))):
        world.envoy.answer()


def nack(world: World, rest: str) -> None:
    world.envoy.waiting.pop()
    world.envoy.rejected = rest


def lose(world: World, rest: str) -> None:
    setattr(world, f"{rest}_known", False)


def find(world: World, rest: str) -> None:
    setattr(world, f"{rest}_known", True)


def request(world: World, rest: str) -> None:
    world.request(world.releases[full(rest)].replicas[0])


def finish(world: World, _rest: str) -> None:
    for release in world.releases.values():
        for replica in release.replicas:
            replica.requests = []


def stopped(world: World, _rest: str) -> None:
    for release in world.releases.values():
        release.replicas = [replica for replica in release.replicas if replica.state is not ReplicaState.STOPPING]


def wait(world: World, rest: str) -> None:
    world.wait(float(rest.removesuffix("s")))


def hold(world: World, _rest: str) -> None:
    world.commit(None)
    world.held = "its removal waits for an operator"


def saw(world: World, rest: str) -> None:
    name, *words = rest.split()
    counts = {f"_{kind}": int(count) for kind, count in zip(words[::2], words[1::2], strict=True)}
    world.saw(full(name), **counts)


def restart(world: World, _rest: str) -> None:
    world.epoch, world.tallies, world.examined = world.epoch + "'", {}, {}


def examined(world: World, rest: str) -> None:
    gate, name, verdict = rest.split()
    world.examine(gate, full(name), Verdict(verdict))


def calm(world: World, rest: str) -> None:
    for _ in range(int(rest or 4)):
        world.fair_weather()
        world.step()


def edit(world: World, rest: str) -> None:
    split = tuple((full(name), 100 * share) for name, share in _shares(rest).items())
    world.envoy.route = world.envoy.serving = replace(world.envoy.serving, split=split)


COMMANDS: dict[str, Callable[[World, str], None]] = {
    "push": push,
    "hold": hold,
    "step": step,
    "ready": ready,
    "dies": dies,
    "fails": fails,
    "build": build,
    "ack": ack,
    "nack": nack,
    "lose": lose,
    "find": find,
    "request": request,
    "finish": finish,
    "stopped": stopped,
    "wait": wait,
    "policy": lambda world, rest: setattr(world, "policy", POLICIES[rest]),
    "saw": saw,
    "count": lambda world, rest: setattr(world, "counting", rest == "on"),
    "restart": restart,
    "order": lambda world, rest: world.command(rest),
    "examined": examined,
    "calm": calm,
    "edit": edit,
}


def show(world: World) -> str:
    """Phase, what Envoy serves, what runs, what the last pass did, and what it says."""
    lines = [_phase(world.memory.phase) if world.memory else "gone", f"serves   {_serves(world)}"]
    lines += [f"runs     {_runs(world)}"]
    if world.plans:
        plan = world.plans[-1]
        lines += [f"did      {', '.join(_action(action) for action in plan.actions) or 'nothing'}"]
        ready_is = [found for found in plan.conditions if found.type == "Ready"]
        lines += [f"ready    {found.status} {found.reason}" for found in ready_is]
        lines += [f"answered {plan.answer.message}"] if plan.answer else []
        lines += [f"examines {one.gate} {one.release.name}" for one in plan.examinations]
    return short("\n".join(lines))


def _phase(phase: Phase) -> str:  # noqa: PLR0911 -- one for each phase
    match phase:
        case Settled(split, watch):
            warm = f", {describe(watch.previous)} warm" if watch else ""
            return f"settled on {describe(split)}{warm}"
        case Warming(run):
            return f"warming from {describe(run.source)} to {describe(run.target)}"
        case Shifting(run) if run.straight:
            return f"shifting from {describe(run.source)} to {describe(run.target)}"
        case Shifting(run):
            return f"shifting from {describe(run.source)} to {describe(run.target)}: {_place(run)}"
        case Paused(run, manual):
            return f"paused{' by hand' if manual else ''} from {describe(run.source)}: {_place(run)}"
        case Reverting(source, carried=carried, reason=reason):
            short_of = "" if carried else ", which is not ready yet"
            return f"reverting to {describe(source)}{short_of} ({reason})"
        case Removing(acknowledged=acknowledged):
            return "removing, route " + ("gone" if acknowledged else "still there")


def _place(run: Run) -> str:
    place = f"step {run.step + 1} of {len(run.steps)} at {run.fraction / 100:g}%"
    return place + (", extended" if run.extended else "") + (", unproven" if run.unproven else "")


def _serves(world: World) -> str:
    serving = world.envoy.serving
    if serving is None:
        return "not at all"
    mirror = f", mirror {serving.mirror[0]} {serving.mirror[1]}%" if serving.mirror else ""
    mirror += f", shield {serving.shield}" if serving.shield else ""
    mirror += f", preview {serving.preview[0]}" if serving.preview else ""
    pins = ", ".join(f"{name}->{release}" for name, release in serving.pinned)
    return describe(serving.split) + mirror + (f" (pins {pins})" if pins else "")


def _runs(world: World) -> str:
    parts = []
    for name, release in sorted(world.releases.items()):
        states = ", ".join(sorted(replica.state.value for replica in release.replicas)) or release.preparation.stage
        parts.append(f"{name} {len(release.replicas)}/{release.want.count} ({states})")
    return "; ".join(parts) or "nothing"


def _action(action: object) -> str:
    match action:
        case ApplyRelease(want):
            stop = f" stop {len(want.stop)}" if want.stop else ""
            return f"{want.release.name} x{want.count}{stop}"
        case PutRoute(route):
            hosts = sum(not host.draining for backend in route.backends for host in backend.hosts)
            draining = sum(host.draining for backend in route.backends for host in backend.hosts)
            leaving = f" and {draining} draining" if draining else ""
            return f"route to {describe(route.split)} on {hosts} hosts{leaving}"
        case DropRoute():
            return "drop the route"
        case ForgetRelease(release):
            return f"forget {release.name}"
        case _:
            raise AssertionError(action)
