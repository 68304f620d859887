"""What tests of environments ask for."""

import json
import subprocess
from pathlib import Path

from runtime.requirements import Wanted
from spec.release import Environment, InstanceType, Recipe, Server


def recipe(*requirements: str, server: Server = Server.INFERENCE_SERVER, **environment: object) -> Recipe:
    return Recipe(
        server=server,
        runtime="process",
        environment=Environment(label="inline", requirements=requirements, **environment),
        instance_type=InstanceType("Standard_DS1_v2", 1, 2**30),
    )


def small(
    *requirements: str, python: str | None = None, exact: bool = False, options: tuple[str, ...] = ()
) -> Wanted:
    return Wanted("inline", python, exact, requirements, options)


def versions(python: Path) -> dict[str, str]:
    code = "import importlib.metadata as m, json; print(json.dumps({d.name: d.version for d in m.distributions()}))"
    done = subprocess.run([str(python), "-I", "-c", code], capture_output=True, text=True, check=True)
    return {str(name): str(version) for name, version in json.loads(done.stdout).items()}
