"""Entry point: builds the command tree, turns every error into one line and a documented exit code."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
from types import FrameType
from typing import NoReturn

import typer

from chipwise._version import __version__
from chipwise.core import errors


def _show_version(value: bool) -> None:
    if value:
        typer.echo(f"chipwise {__version__}")
        raise typer.Exit


def build_app() -> typer.Typer:
    """Assemble the command tree; command modules import what is heavy only when called."""
    from chipwise.cli import registry

    app = typer.Typer(
        name="chipwise",
        help="Plan AI compute when chips are scarce and controlled. Not legal advice.",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
        add_completion=False,
        context_settings={"help_option_names": ["-h", "--help"]},
        epilog="Exit codes: 0 yes/done, 1 no, 2 bad input, 3 undetermined, 70 internal error, 130 interrupted.",
    )

    @app.callback()
    def root(
        version: bool = typer.Option(
            False, "--version", callback=_show_version, is_eager=True, help="Print the version and stop."
        ),
        verbose: bool = typer.Option(False, "--verbose", help="Log to standard error."),
    ) -> None:
        """Plan AI compute when chips are scarce and controlled. Not legal advice."""
        if verbose:
            logging.basicConfig(level=logging.INFO, format="%(name)s: %(message)s")

    registry.register(app)
    return app


def _tell_interrupted() -> NoReturn:
    typer.echo("chipwise: interrupted; nothing half written", err=True)
    sys.exit(errors.EXIT_INTERRUPTED)


def _quiet_broken_pipe() -> None:
    devnull = os.open(os.devnull, os.O_WRONLY)
    os.dup2(devnull, sys.stdout.fileno())


class _Interrupt:
    """Remembers that Ctrl-C was pressed: compiled modules may turn the interrupt into an error of their own."""

    def __init__(self) -> None:
        self.pressed = False
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGINT, self._press)

    def _press(self, _number: int, _frame: FrameType | None) -> NoReturn:
        self.pressed = True
        raise KeyboardInterrupt


def main() -> None:
    """Run the command line and exit with its documented status."""
    interrupt = _Interrupt()
    try:
        status = build_app()(standalone_mode=False)
    except errors.ChipwiseError as error:
        typer.echo(f"chipwise: {error.line()}", err=True)
        sys.exit(error.exit_status)
    except (typer.Abort, KeyboardInterrupt):
        _tell_interrupted()
    except BrokenPipeError:
        _quiet_broken_pipe()
        sys.exit(errors.EXIT_YES)
    except Exception as error:
        if interrupt.pressed:
            _tell_interrupted()
        sys.exit(_usage_or_internal(error))
    if status == errors.EXIT_INTERRUPTED:
        _tell_interrupted()
    sys.exit(status if isinstance(status, int) else errors.EXIT_YES)


def _usage_or_internal(error: Exception) -> int:
    """Status of an error that is not ours: a usage error of the option parser, or a defect."""
    show = getattr(error, "show", None)
    if callable(show) and hasattr(error, "exit_code"):
        show()
        return errors.EXIT_BAD_INPUT
    if os.environ.get("CHIPWISE_DEBUG"):
        raise error
    typer.echo(
        f"chipwise: internal error: {type(error).__name__}: {error} "
        "(a defect of chipwise; set CHIPWISE_DEBUG=1 for the traceback)",
        err=True,
    )
    return errors.EXIT_INTERNAL


if __name__ == "__main__":
    main()
