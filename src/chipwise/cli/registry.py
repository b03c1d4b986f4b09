"""Which commands exist and where each lives."""

from __future__ import annotations

import importlib

import typer

GROUPS = {
    "chips": "chipwise.cli.chips",
    "models": "chipwise.cli.models",
    "rules": "chipwise.cli.rules",
    "train": "chipwise.cli.train",
    "serve": "chipwise.cli.serve",
    "perf": "chipwise.cli.perf",
    "scenario": "chipwise.cli.scenario",
    "facts": "chipwise.cli.facts",
}
"""Sub-command groups: each module has `app: typer.Typer`."""

COMMANDS = {
    "plan": "chipwise.cli.plan",
    "runway": "chipwise.cli.runway",
    "check": "chipwise.cli.check",
    "validate": "chipwise.cli.validate",
}
"""Single commands: each module has a function of the command's name with the suffix ``_command``."""

INSIDE_GROUPS = {("chips", "alternatives"): "chipwise.cli.alternatives"}
"""Commands of a group that live in a module of their own, because they join more than the group does."""


def register(app: typer.Typer) -> None:
    """Add every command to `app`."""
    for name, module_name in COMMANDS.items():
        module = importlib.import_module(module_name)
        app.command(name)(getattr(module, f"{name}_command"))
    for name, module_name in GROUPS.items():
        module = importlib.import_module(module_name)
        for (group, command), home in INSIDE_GROUPS.items():
            if group == name:
                module.app.command(command)(getattr(importlib.import_module(home), f"{command}_command"))
        app.add_typer(module.app, name=name)
