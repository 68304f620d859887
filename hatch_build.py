"""Puts the example repository into the wheel, for `headgate demo`; an editable install reads the checkout's own."""

from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class ExamplesHook(BuildHookInterface[Any]):
    """Adds files to a wheel that have no package of their own in the checkout."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Place `examples/repo` where `console.demo.find_examples` looks."""
        if version != "editable":
            build_data["force_include"]["examples/repo"] = "console/examples"
