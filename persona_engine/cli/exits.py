"""Exit codes, and how an error reaches the person at the terminal."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager

import typer

from persona_engine.cli.output import printable, stderr
from persona_engine.errors import (
    ConflictError,
    GenerationError,
    InvalidInputError,
    MissingExtraError,
    NotFoundError,
    PersonaError,
    PluginError,
    StoreError,
    WeightsError,
)

FAILURE = 1
INTERRUPTED = 130

EXIT_CODES: tuple[tuple[type[PersonaError], int], ...] = (
    (InvalidInputError, 2),
    (NotFoundError, 3),
    (ConflictError, 4),
    (StoreError, 5),
    (WeightsError, 6),
    (GenerationError, 6),
    (PluginError, 7),
    (MissingExtraError, 8),
)
"""Code of each class of error; 0 is success, 1 anything else, 2 also a wrong command line."""

EXIT_CODES_HELP = (
    "Exit codes: 0 done, 1 anything else, 2 usage or invalid input, 3 not found, 4 conflict, "
    "5 store, 6 weights or generation, 7 plugin, 8 missing extra, 130 interrupted."
)


def exit_code(error: BaseException) -> int:
    """Return the exit code that stands for an error.

    Examples:
        >>> exit_code(NotFoundError("no reply 'x'")), exit_code(RuntimeError("?"))
        (3, 1)
    """
    return next((code for kind, code in EXIT_CODES if isinstance(error, kind)), FAILURE)


@contextmanager
def errors_reported(*, debug: bool) -> Iterator[None]:
    """Turn what the block raises into a message on stderr and an exit code.

    Args:
        debug: Print tracebacks as well.

    Raises:
        typer.Exit: With the code of the error.
    """
    try:
        yield
    except (typer.Exit, typer.Abort, BrokenPipeError):
        raise
    except KeyboardInterrupt:
        stderr().print("\nInterrupted.")
        raise typer.Exit(INTERRUPTED) from None
    except PersonaError as error:
        _report(error.message, error.remedy, debug=debug)
        raise typer.Exit(exit_code(error)) from error
    except Exception as error:  # a bug of ours, or of a library: never a bare traceback
        what = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        _report(f"persona failed unexpectedly ({what})", _BUG, debug=debug)
        raise typer.Exit(FAILURE) from error


_BUG = (
    "this is a bug in persona or in a plugin; report it with what the same command prints with "
    "--debug, and what `persona doctor` prints"
)


def _report(message: str, remedy: str | None, *, debug: bool) -> None:
    console = stderr()
    if debug:
        print(traceback.format_exc(), file=sys.stderr)  # noqa: T201
    console.print("Error: ", style="bold red", end="")
    console.print(printable(message), soft_wrap=True)
    if remedy is not None:
        console.print("To mend it: ", style="bold", end="")
        console.print(printable(remedy), soft_wrap=True)
