"""The command line apart from the engine: options, errors, exit codes, documents, progress."""

from __future__ import annotations

import dataclasses
import io
import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
import typer
from rich.console import Console
from typer.testing import CliRunner

from persona_engine import errors
from persona_engine.cli import progress as progress_module
from persona_engine.cli.app import app
from persona_engine.cli.exits import EXIT_CODES, exit_code
from persona_engine.cli.groups import Commands
from persona_engine.cli.options import GlobalOptions, hoisted, options_of
from persona_engine.cli.output import jsonable, printable
from persona_engine.cli.progress import console_progress
from persona_engine.errors import PersonaError, StoreUnavailableError

COMMANDS = [
    "demo",
    "chat",
    "onboard",
    "instruct",
    "instructions",
    "feedback",
    "profile",
    "explain",
    "import",
    "export",
    "forget",
    "fit",
    "evaluate",
    "weights",
    "plugins",
    "db",
    "doctor",
]


@pytest.fixture
def runner():
    return CliRunner()


def failing_app(error):
    commands = Commands()

    @commands.callback()
    def options(context: typer.Context, debug: bool = False) -> None:
        context.obj = GlobalOptions(debug=debug)

    @commands.command("fail")
    def fail() -> None:
        raise error

    return commands


def every_error(kind=PersonaError):
    yield kind
    for child in kind.__subclasses__():
        if child.__module__ == errors.__name__:
            yield from every_error(child)


def test_help_names_every_command_and_exit_code(runner):
    result = runner.invoke(app, ["--help"], env={"COLUMNS": "200"})
    assert result.exit_code == 0
    assert all(name in result.stdout for name in COMMANDS)
    assert all(f"{code} " in result.stdout for _, code in EXIT_CODES)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(runner, command):
    assert runner.invoke(app, [command, "--help"]).exit_code == 0


def test_help_loads_nothing_heavy():
    script = (
        "import sys\n"
        "from persona_engine.cli import main\n"
        "sys.argv = ['persona', '--help']\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "heavy = {'torch', 'transformers', 'faiss', 'sqlalchemy', 'numpy', 'pydantic'}\n"
        "print(sorted(heavy & set(sys.modules)), file=sys.stderr)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stderr.strip() == "[]"


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.InvalidInputError, 2),
        (errors.ScopeError, 2),
        (errors.ConfigError, 2),
        (errors.NotFoundError, 3),
        (errors.ConflictError, 4),
        (errors.StoreError, 5),
        (errors.SchemaVersionError, 5),
        (errors.StoreUnavailableError, 5),
        (errors.WeightsError, 6),
        (errors.GenerationError, 6),
        (errors.PluginError, 7),
        (errors.ConformanceError, 7),
        (errors.MissingExtraError, 8),
        (errors.FingerprintMismatchError, 1),
        (errors.NoPopulationError, 1),
        (errors.ArtefactError, 1),
    ],
)
def test_an_error_is_message_remedy_and_code(runner, error, code):
    result = runner.invoke(failing_app(error("it broke", remedy="mend it")), ["fail"])
    assert result.exit_code == code
    assert result.stdout == ""
    assert result.stderr == "Error: it broke\nTo mend it: mend it\n"


def test_the_table_decides_every_class_of_the_tree():
    codes = {kind.__name__: exit_code(kind("x")) for kind in every_error()}
    assert set(codes.values()) == set(range(1, 9))


def test_an_unexpected_error_has_no_traceback_unless_debugging(runner):
    broken = failing_app(ZeroDivisionError("by zero"))
    quiet = runner.invoke(broken, ["fail"])
    assert quiet.exit_code == 1
    assert "ZeroDivisionError: by zero" in quiet.stderr
    assert "report it" in quiet.stderr
    assert "Traceback" not in quiet.stderr
    assert "Traceback" in runner.invoke(broken, ["--debug", "fail"]).stderr


def test_ctrl_c_exits_with_130(runner):
    result = runner.invoke(failing_app(KeyboardInterrupt()), ["fail"])
    assert (result.exit_code, result.stdout) == (130, "")
    assert "Interrupted" in result.stderr


def test_a_wrong_command_line_exits_with_2(runner):
    assert runner.invoke(app, ["profile"]).exit_code == 2
    assert runner.invoke(app, ["nonsense"]).exit_code == 2


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["chat", "--database", "d", "-m", "x"], ["--database", "d", "chat", "-m", "x"]),
        (["chat", "--database=d", "--debug"], ["--database=d", "--debug", "chat"]),
        (["instruct", "--", "--debug"], ["instruct", "--", "--debug"]),
        (["chat", "--database"], ["chat", "--database"]),
        ([], []),
    ],
)
def test_global_options_may_stand_anywhere(arguments, expected):
    assert hoisted(arguments) == expected


def test_global_options_reach_the_command(runner):
    commands = Commands()
    seen = []

    @commands.callback()
    def options(context: typer.Context) -> None:
        context.obj = GlobalOptions(tenant="acme")

    @commands.command("look")
    def look(context: typer.Context) -> None:
        seen.append(options_of(context))

    assert runner.invoke(commands, ["look"]).exit_code == 0
    assert seen == [GlobalOptions(tenant="acme")]


def test_options_win_over_the_file_which_wins_over_the_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("PERSONA_CANDIDATES", "3")
    monkeypatch.setenv("PERSONA_MAX_TOKENS", "33")
    file = tmp_path / "persona.toml"
    file.write_text('candidates = 5\ndatabase = "sqlite:///file.db"\n')
    options = GlobalOptions(database="sqlite:///given.db", config=file)
    settings = options.settings()
    assert (settings.database, settings.candidates, settings.max_tokens) == (
        "sqlite:///given.db",
        5,
        33,
    )


@pytest.mark.parametrize("content", [b"candidates = 0", b"unknown = 1", b"= nonsense", b"\xff"])
def test_a_wrong_settings_file_is_refused(runner, tmp_path, content):
    file = tmp_path / "persona.toml"
    file.write_bytes(content)
    result = runner.invoke(app, ["db", "status", "--config", str(file)])
    assert result.exit_code == 2
    assert result.stderr.startswith("Error: ")


def test_documents_are_valid_json():
    @dataclasses.dataclass(frozen=True, slots=True)
    class Value:
        when: datetime
        where: Path
        numbers: tuple[float, ...]

    value = Value(datetime(2026, 1, 2, tzinfo=UTC), Path("a/b"), (1.5, float("inf"), float("nan")))
    assert json.dumps(jsonable({"v": value}), allow_nan=False) == (
        '{"v": {"when": "2026-01-02T00:00:00+00:00", "where": "a/b", "numbers": [1.5, null, null]}}'
    )


def test_text_cannot_steer_the_terminal():
    hostile = "a\x1b]0;title\x07b\x9b31mc\r\x00\u202ed\n\te"
    assert printable(hostile) == "a]0;titleb31mcd\n\te"


def test_progress_off_a_terminal_is_a_line_now_and_then(monkeypatch):
    seconds = iter([0.0, 1.0, 2.0, 7.0, 8.0])
    monkeypatch.setattr(progress_module.time, "monotonic", lambda: next(seconds))
    out = io.StringIO()
    monkeypatch.setattr(progress_module, "stderr", lambda: Console(file=out))
    with console_progress() as report:
        for done in (0, 1, 2, 3, 4):
            report("encoding", done * 10_000_000, 40_000_000)
    assert out.getvalue().splitlines() == [
        "encoding: 0 of 40 MB",
        "encoding: 30 of 40 MB",
        "encoding: 40 of 40 MB",
    ]


def test_progress_says_nothing_of_what_is_over_at_once(capsys):
    with console_progress() as report:
        report("fit", 3, 3)
    assert capsys.readouterr() == ("", "")


def test_progress_on_a_terminal_leaves_nothing_behind(monkeypatch):
    out = io.StringIO()
    monkeypatch.setattr(
        progress_module, "stderr", lambda: Console(file=out, force_terminal=True, width=80)
    )
    with console_progress() as report:
        report("encoding [odd]", 1, 4)
        report("another", 0, 0)
        report("encoding [odd]", 4, 4)
    assert "encoding [odd]" in out.getvalue()
    assert "\x1b[?25h" in out.getvalue()  # the cursor is back


def test_an_unreachable_store_is_code_5(runner, tmp_path):
    folder = tmp_path / "missing" / "persona.db"
    result = runner.invoke(app, ["db", "upgrade", "--database", f"sqlite:///{folder}"])
    assert result.exit_code == dict(EXIT_CODES)[errors.StoreError]
    assert issubclass(StoreUnavailableError, errors.StoreError)
    assert "Traceback" not in result.stderr
