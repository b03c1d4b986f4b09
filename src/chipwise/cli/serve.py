"""`chipwise serve`: what a chip serves, in closed form and in simulation."""

from __future__ import annotations

import typer

from chipwise.cli.serve_compare import compare_command, replace_command
from chipwise.cli.serve_estimate import estimate_command
from chipwise.cli.serve_long import long_command
from chipwise.cli.serve_search import search_command
from chipwise.cli.serve_simulate import simulate_command
from chipwise.cli.serve_size import size_command
from chipwise.cli.serve_trace import trace_command
from chipwise.cli.serve_users import users_command

app = typer.Typer(
    help="What a chip serves: a yield in closed form, the best set-up, a simulation, the size of a fleet.",
    no_args_is_help=True,
)


@app.callback()
def serve() -> None:
    """What a chip serves: a yield in closed form, the best set-up, a simulation, the size of a fleet."""


app.command("estimate")(estimate_command)
app.command("search")(search_command)
app.command("replace")(replace_command)
app.command("compare")(compare_command)
app.command("simulate")(simulate_command)
app.command("size")(size_command)
app.command("users")(users_command)
app.command("trace")(trace_command)
app.command("long")(long_command)
