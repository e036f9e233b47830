"""Commands about people, on a real engine whose language model is the kit's bigram model."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
from typer.testing import CliRunner

from persona_engine.cli.app import app
from persona_engine.testing.bigram import BigramGenerator

PLUGIN = """
from persona_engine.hookspecs import hookimpl
from persona_engine.testing.bigram import BigramGenerator

@hookimpl
def persona_generators():
    return {"bigram": lambda *, weights: BigramGenerator()}
"""
METADATA = "Metadata-Version: 2.1\nName: bigram-for-tests\nVersion: 1.0\n"


@pytest.fixture(scope="module")
def settings_of(tmp_path_factory):
    """Install a generator as a plugin would be, and give the settings of a folder."""
    home = tmp_path_factory.mktemp("installed")
    installed = home / "site"
    information = installed / "bigram_for_tests-1.0.dist-info"
    information.mkdir(parents=True)
    (installed / "bigram_for_tests.py").write_text(PLUGIN)
    (information / "METADATA").write_text(METADATA)
    (information / "entry_points.txt").write_text("[persona_engine]\nbigram = bigram_for_tests\n")
    weights = home / "bigram"
    weights.mkdir()
    for name in ("config.json", "tokenizer.json", "model.safetensors"):
        (weights / name).touch()

    def write(folder):
        settings = folder / "persona.toml"
        settings.write_text(
            f'database = "sqlite:///{folder}/persona.db"\n'
            f'generator = "{weights}"\ngenerator_plugin = "bigram"\n'
            f'data_folder = "{folder}/indexes"\n'
            "candidates = 6\nmax_tokens = 12\npopulation_refresh_seconds = 0.0\n"
        )
        return settings

    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(installed)
        yield write


@pytest.fixture
def call(settings_of, sqlite_template, tmp_path):
    """Return the function that runs `persona` on a database without rows."""
    shutil.copy(sqlite_template, tmp_path / "persona.db")
    return runner(settings_of(tmp_path))


@pytest.fixture(scope="module")
def published(settings_of, sqlite_template, tmp_path_factory):
    """A database with twelve people and the population fitted to them."""
    folder = tmp_path_factory.mktemp("published")
    shutil.copy(sqlite_template, folder / "persona.db")
    run = runner(settings_of(folder))
    assert document(run("import", str(write_crowd(folder)), "--json"))["imported"] == 120
    assert document(run("fit", "--json"))["published"] is True
    return folder / "persona.db"


@pytest.fixture
def fitted(published, call, tmp_path):
    """Return the function that runs `persona` where a population is published."""
    shutil.copy(published, tmp_path / "persona.db")
    return call


def runner(settings):
    def run(*arguments, typed=None):
        return CliRunner().invoke(app, ["--config", str(settings), *arguments], input=typed)

    return run


def write_crowd(folder):
    """Write comparisons of people who either love or hate to go home."""
    rng = np.random.default_rng(0)
    words = [word for word in BigramGenerator().words if word.isalpha()]
    path = folder / "crowd.jsonl"
    rows = []
    for user in range(12):
        for _ in range(10):
            with_home, without = (" ".join(rng.choice(words, 6)) for _ in range(2))
            pair = [f"{with_home} home home", f"{without} think think"]
            chosen, rejected = pair if user % 2 else pair[::-1]
            rows.append(
                {"user": f"u{user}", "prompt": "Where to?", "chosen": chosen, "rejected": rejected}
            )
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def document(result):
    assert result.exit_code == 0, (result.stderr, result.exception)
    return json.loads(result.stdout)


def chat(call, user, *more):
    return document(call("chat", "--user", user, "-m", "Where to?", "--json", *more))["reply"]


def test_a_turn_feedback_and_why(fitted):
    reply = chat(fitted, "u1")
    candidates = reply["trace"]["candidates"]
    assert len(candidates) == 6
    assert reply["text"] == candidates[0]["text"]
    learned = document(fitted("feedback", reply["id"], "--user", "u1", "--chosen", "2", "--json"))[
        "comparisons"
    ]
    assert {each["chosen"] for each in learned} == {candidates[2]["text"]}
    rated = fitted("feedback", reply["id"], "--user", "u1", "--rating", "-1")
    assert rated.exit_code == 0
    better = document(fitted("feedback", reply["id"], "--user", "u1", "--better", "home", "--json"))
    assert better["comparisons"][0]["chosen"] == "home"
    why = document(fitted("explain", reply["id"], "--user", "u1", "--json"))
    assert why["trace"]["candidates"] == candidates
    shown = fitted("explain", reply["id"], "--user", "u1").stdout
    assert shown.startswith(why["text"])
    assert "finished: 6, best first" in shown


def test_how_a_reply_was_searched_for_as_a_page(fitted, tmp_path):
    reply = chat(fitted, "u1", "--decoding", "blockwise", "--budget", "60s")
    assert reply["trace"]["search"]["decoder"] == "blockwise"
    page = tmp_path / "why.html"
    assert fitted("explain", reply["id"], "--user", "u1", "--html", str(page)).exit_code == 0
    assert reply["id"] in page.read_text(encoding="utf-8")
    nowhere = str(tmp_path / "none" / "why.html")
    failed = fitted("explain", reply["id"], "--user", "u1", "--html", nowhere)
    assert failed.exit_code != 0
    assert "cannot be written" in failed.stderr


def test_a_wrong_decoder_or_budget_is_told(fitted):
    turn = ("chat", "--user", "u1", "-m", "Where to?")
    assert "best_of_n" in fitted(*turn, "--decoding", "worst_of_n").stderr
    assert "budget is 'soon'" in fitted(*turn, "--budget", "soon").stderr


def test_a_base_reply_is_not_personal(fitted):
    reply = chat(fitted, "u1", "--base", "--seed", "3")
    assert reply["trace"]["personalized"] is False
    assert len(reply["trace"]["candidates"]) == 1
    assert reply["text"] == chat(fitted, "u2", "--base", "--seed", "3")["text"]


def test_somebody_elses_reply_is_not_found(fitted):
    reply = chat(fitted, "u1")
    for command in (["explain"], ["feedback", "--rating", "1"]):
        result = fitted(*command, reply["id"], "--user", "u2")
        assert (result.exit_code, result.stdout) == (3, "")
    assert fitted("explain", reply["id"], "--user", "u1", "--tenant", "other").exit_code == 3


@pytest.mark.parametrize(
    "arguments",
    [
        ["--rating", "nan"],
        ["--rating", "7"],
        ["--better", "   "],
        ["--chosen", "99"],
        ["--chosen", "no such text"],
        [],
        ["--rating", "1", "--better", "both"],
    ],
)
def test_wrong_feedback_changes_nothing(fitted, arguments):
    reply = chat(fitted, "u1")
    result = fitted("feedback", reply["id"], "--user", "u1", *arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert document(fitted("profile", "--user", "u1", "--json"))["comparisons"] == 10


def test_a_session(fitted):
    typed = (
        "/why\n/nonsense\nWhere to?\n\n/why\n/good\n/better go home\n/better\n/bad\n/quit\nnever\n"
    )
    result = fitted("chat", "--user", "u1", typed=typed)
    assert result.exit_code == 0, result.stderr
    assert "There is no reply yet" in result.stderr
    assert "No command /nonsense" in result.stderr
    assert result.stderr.count("comparisons learned") == 3
    profile = document(fitted("profile", "--user", "u1", "--json"))
    assert profile["comparisons"] == 10 + 5 + 1 + 5
    assert "never" not in json.dumps(document(fitted("export", "--user", "u1")))


def test_a_session_ends_with_the_input_and_outlives_a_wrong_turn(fitted):
    result = fitted(
        "chat", "--user", "u1", typed="Where to?\n/better home\n/better \x00\nAnd then?"
    )
    assert result.exit_code == 0
    assert len(document(fitted("export", "--user", "u1"))["replies"]) == 2


def test_a_session_keeps_what_was_said(fitted):
    fitted("chat", "--user", "u1", typed="Where to?\nAnd then?\n")
    replies = document(fitted("export", "--user", "u1"))["replies"]
    prompts = sorted((reply["prompt"] for reply in replies), key=len)
    assert [turn["role"] for turn in prompts[1]] == ["user", "assistant", "user"]
    assert prompts[1][0] == prompts[0][0]


def test_json_needs_a_message(call):
    assert call("chat", "--user", "u1", "--json").exit_code == 2


def test_onboarding_by_answers(fitted):
    found = document(fitted("onboard", "--user", "new", "--answers", "a,s,b", "--json"))
    assert [each["choice"] for each in found["answers"]] == ["a", None, "b"]
    assert len({each["question"] for each in found["answers"]}) == 3
    assert found["comparisons"] == 2


def test_onboarding_in_person(fitted):
    result = fitted("onboard", "--user", "new", "--questions", "3", typed="x\na\ns\nB\n")
    assert result.exit_code == 0, result.stderr
    assert "Please type a, b, t or s" in result.stderr
    assert "2 answers kept; 2 comparisons" in result.stdout


def test_onboarding_that_is_left_keeps_the_answers(fitted):
    result = fitted("onboard", "--user", "new", "--questions", "3", "--json", typed="a\n")
    assert document(result)["comparisons"] == 1
    assert len(document(result)["answers"]) == 1


@pytest.mark.parametrize(
    "arguments",
    [["--answers", "a,c"], ["--answers", "a,b", "--questions", "3"], ["--questions", "0"]],
)
def test_wrong_answers_ask_nothing(fitted, arguments):
    assert fitted("onboard", "--user", "new", *arguments).exit_code == 2
    assert document(fitted("profile", "--user", "new", "--json"))["created_at"] is None


def test_onboarding_without_a_population_says_what_to_do(call):
    result = call("onboard", "--user", "new", "--answers", "a")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "persona fit" in result.stderr


def test_instructions_come_change_and_go(call):
    wish = document(
        call(
            *["instruct", "Answer briefly.", "--user", "ada", "--scope", "at work"],
            *["--strength", "must", "--kind", "format", "--until", "2099-01-01", "--json"],
        )
    )
    assert (wish["scope"], wish["strength"], wish["kind"]) == ("at work", "must", "format")
    assert wish["valid_until"] == "2099-01-01T00:00:00+00:00"
    revised = document(
        call("instructions", "revise", wish["id"], "Answer in full.", "--user", "ada", "--json")
    )
    assert revised["supersedes"] == wish["id"]
    assert [each["text"] for each in listed(call)] == ["Answer in full."]
    assert call("instructions", "retract", revised["id"], "--user", "ada").exit_code == 0
    assert listed(call) == []
    history = listed(call, "--history")
    assert len(history) == 2
    shown = call("instructions", "list", "--user", "ada", "--history").stdout
    assert all(each["id"] in shown for each in history)
    assert call("instructions", "undo", revised["id"], "--user", "ada").exit_code == 0
    back = document(call("instructions", "undo", revised["id"], "--user", "ada", "--json"))
    assert {each["text"]: each["status"] for each in back["instructions"]} == {
        "Answer in full.": "retracted",
        "Answer briefly.": "active",
    }


def test_an_operators_rule_is_kept_beside_the_users(call):
    rule = document(
        call("instruct", "Be polite.", "--user", "ada", "--source", "operator", "--json")
    )
    assert rule["source"] == "operator"
    call("instruct", "Be polite.", "--user", "ada")
    assert len(listed(call)) == 2


def listed(call, *options):
    return document(call("instructions", "list", "--user", "ada", "--json", *options))[
        "instructions"
    ]


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["text", "--until", "soon"],
        ["text", "--kind", "order"],
        ["text", "--strength", "weak"],
        ["text", "--source", "neighbour"],
        ["  "],
    ],
)
def test_wrong_instructions_are_refused(call, arguments):
    assert call("instruct", "--user", "ada", *arguments).exit_code == 2
    assert listed(call) == []


@pytest.mark.parametrize("verb", ["retract", "accept", "undo", "revise"])
def test_an_unknown_instruction_is_not_found(call, verb):
    words = ["text"] if verb == "revise" else []
    assert call("instructions", verb, "x", *words, "--user", "ada").exit_code == 3


@pytest.mark.parametrize("content", ["", "{", "{}", "[]", '[{"role": "user"}]', '["hi"]'])
def test_what_is_no_conversation_is_not_listened_to(call, tmp_path, content):
    file = tmp_path / "conversation.json"
    file.write_text(content)
    assert call("instructions", "listen", str(file), "--user", "ada").exit_code == 2
    assert call("instructions", "listen", str(tmp_path / "none"), "--user", "ada").exit_code == 2


def test_profile_shows_tastes_and_neighbours(fitted):
    found = document(fitted("profile", "--user", "u1", "--neighbours", "3", "--json"))
    assert {each["user"] for each in found["neighbours"]} <= {f"u{n}" for n in range(12)} - {"u1"}
    shown = fitted("profile", "--user", "u1", "--neighbours", "3").stdout
    assert "10 comparisons" in shown
    assert "Nearest taste" in shown
    assert "0 comparisons, not seen yet" in fitted("profile", "--user", "new").stdout


def test_export_forget_import(fitted, tmp_path):
    reply = chat(fitted, "u1")
    fitted("feedback", reply["id"], "--user", "u1", "--rating", "1")
    file = tmp_path / "u1.json"
    assert fitted("export", "--user", "u1", "-o", str(file)).stdout == ""
    exported = json.loads(file.read_text())
    again = document(fitted("export", "--user", "u1"))
    assert again == {**exported, "exported_at": again["exported_at"]}
    receipt = document(fitted("forget", "--user", "u1", "--yes", "--json"))
    assert receipt["rows"]["comparison"] == 15
    assert receipt["sha256"]
    assert document(fitted("profile", "--user", "u1", "--json"))["comparisons"] == 0
    back = document(fitted("import", str(file), "--user", "u1", "--json"))
    assert (back["kind"], back["imported"] > 0) == ("export", True)
    assert document(fitted("profile", "--user", "u1", "--json"))["comparisons"] == 15


def test_what_forgotten_people_taught_is_fitted_again(fitted):
    receipt = document(fitted("forget", "--user", "u1", "--yes", "--json"))
    assert len(receipt["refit"]) == len(receipt["corrected"]) == 1
    assert "taken out of" in fitted("forget", "--user", "u2", "--yes").stdout
    report = document(fitted("fit", "--stale", "--json"))
    assert [each["users"] for each in report["fitted"]] == [10]
    assert report["vacuumed"]
    assert "database's file" in fitted("fit", "--stale", "--no-vacuum").stdout
    assert fitted("fit", "--stale", "--default").exit_code == 2
    assert document(fitted("db", "vacuum", "--json")) == {"vacuumed": True}


def test_export_does_not_replace_a_file_unless_told(call, tmp_path):
    file = tmp_path / "ada.json"
    file.write_text("mine")
    call("instruct", "Be brief.", "--user", "ada")
    assert call("export", "--user", "ada", "-o", str(file)).exit_code == 2
    assert file.read_text() == "mine"
    assert call("export", "--user", "ada", "-o", str(file), "--force").exit_code == 0
    assert json.loads(file.read_text())["instructions"]
    assert call("export", "--user", "ada", "-o", str(tmp_path / "no" / "x")).exit_code == 2


@pytest.mark.parametrize(("typed", "code", "left"), [("n\n", 1, 1), ("", 2, 1), ("y\n", 0, 0)])
def test_forget_asks(call, typed, code, left):
    call("instruct", "Be brief.", "--user", "ada")
    result = call("forget", "--user", "ada", typed=typed)
    assert result.exit_code == code
    assert ("sha256" in result.stdout) == (code == 0)
    assert (
        len(document(call("instructions", "list", "--user", "ada", "--json"))["instructions"])
        == left
    )


@pytest.mark.parametrize(
    ("name", "content", "more"),
    [
        ("x.jsonl", b'{"user": "u", "prompt": "p", "chosen": "a", "rejected": "b"}\n{', []),
        ("x.jsonl", b'{"user": "u", "prompt": "p", "chosen": "a", "rejected": "b"}\n\xff', []),
        ("x.jsonl", b'{"user": "u", "prompt": "p", "chosen": "a", "rejected": " "}', []),
        ("x.jsonl", b'{"user": "", "prompt": "p", "chosen": "a", "rejected": "b"}', []),
        ("x.jsonl", b'{"user": "u", "prompt": "p", "chosen": "a", "rejected": "b"}', ["-u", "u"]),
        ("x.json", b"{}", ["--user", "u"]),
        ("x.json", b'{"format": "persona-user", "version": 99}', ["--user", "u"]),
        ("x.json", b"{}", []),
        ("x.json", b"\xff", ["--user", "u"]),
    ],
)
def test_a_bad_file_imports_nothing(call, tmp_path, name, content, more):
    (tmp_path / name).write_bytes(content)
    result = call("import", str(tmp_path / name), *more)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "\nError: " in f"\n{result.stderr}"
    assert document(call("profile", "--user", "u", "--json"))["created_at"] is None


def test_a_bad_name_is_refused(call):
    assert call("profile", "--user", "").exit_code == 2
    assert call("profile", "--user", "ada", "--tenant", "").exit_code == 2


def test_fit_without_data_says_so(call):
    result = call("fit")
    assert (result.exit_code, result.stdout) == (2, "")
    assert call("fit", "--default", "--reward-model", "bradley_terry").exit_code == 2
    assert call("fit", "--reward-model", "nonsense").exit_code == 7


def test_doctor_says_what_is_wrong(call, monkeypatch, tmp_path):
    monkeypatch.setenv("PERSONA_WEIGHTS", str(tmp_path / "none"))
    result = call("doctor", "--json")
    checks = {each["name"]: each for each in json.loads(result.stdout)["checks"]}
    assert result.exit_code == 1
    assert checks["database"]["ok"] is True
    assert checks["weights all-minilm-l6-v2"]["remedy"] == "persona weights pull all-minilm-l6-v2"
    shown = call("doctor")
    assert shown.exit_code == 1
    assert "BAD" in shown.stdout


def test_steering_by_name_is_shown_used_and_taken_back(fitted):
    kept = document(fitted("steer", "concise=+1", "humour=-0.5", "--user", "new", "--json"))
    assert kept == {"user": "new", "steering": {"humour": -0.5, "length": -1.0}}
    assert "length" in fitted("steer", "--user", "new").stdout
    profile = document(fitted("profile", "--user", "new", "--json"))
    assert profile["steering"] == kept["steering"]
    assert {each["style"] for each in profile["tastes"]} >= {"length", "humour"}
    assert "Set by hand: humour -0.5, length -1" in fitted("profile", "--user", "new").stdout
    reply = chat(fitted, "new")
    assert reply["trace"]["steering"] == "serious +0.5, concise +1"
    assert reply["trace"]["reward_model"] == "hierarchical"
    gone = document(fitted("steer", "concise=0", "humour=0", "--user", "new", "--json"))
    assert gone["steering"] == {}
    assert "Nothing is set" in fitted("steer", "--user", "new").stdout
    assert chat(fitted, "new")["trace"]["reward_model"] is None


@pytest.mark.parametrize("wish", ["concise", "concise=much", "=1", "concise=11", "concize=1"])
def test_a_wish_that_cannot_be_meant_is_refused(call, wish):
    result = call("steer", wish, "--user", "new")
    assert result.exit_code != 0
    assert result.stdout == ""
    assert document(call("steer", "--user", "new", "--json"))["steering"] == {}


def test_a_wish_is_given_once(call):
    result = call("steer", "concise=1", "concise=2", "--user", "new")
    assert result.exit_code != 0
    assert "given twice" in result.stderr


def test_a_hosts_attribute_is_what_people_are_described_in(call, tmp_path, monkeypatch):
    """Half the crowd loves to go home; the host names that, and the reward model reads it."""
    pairs = tmp_path / "attributes.jsonl"
    rows = [("me home home", "me think think"), ("you home home", "you think think")]
    lines = [{"attribute": "homely", "high": high, "low": low} for high, low in rows]
    pairs.write_text("".join(json.dumps(each) + "\n" for each in lines))
    monkeypatch.setenv("PERSONA_ATTRIBUTES", str(pairs))
    monkeypatch.setenv("PERSONA_REWARD_MODEL", "attributes")
    document(call("import", str(write_crowd(tmp_path)), "--json"))
    report = document(call("fit", "--json"))
    assert report["published"] is True
    assert "homely" in report["details"]["attributes"]
    assert report["details"]["spread"] > 0
    tastes = {
        user: {
            each["style"]: each["mean"]
            for each in document(call("profile", "--user", user, "--json"))["tastes"]
        }
        for user in ("u0", "u1")
    }
    assert tastes["u0"]["homely"] < 0 < tastes["u1"]["homely"]
    document(call("steer", "homely=5", "--user", "u0", "--json"))
    steered = document(call("profile", "--user", "u0", "--json"))["tastes"]
    assert next(each["mean"] for each in steered if each["style"] == "homely") > 0
    reply = chat(call, "u0")
    assert "homely (+" in reply["trace"]["tastes"]


def test_a_reply_is_drawn_rated_and_replayed(fitted):
    shown = ["home home home", "think think think"]
    for number in range(12):
        user = f"u{number % 4}"
        chosen = document(
            fitted(
                *("choose", "Where to?", *shown, "--user", user),
                *("--explore", "uniform", "--seed", str(number), "--json"),
            )
        )["choice"]
        liked = "home" if number % 2 else "think"
        rating = "1" if liked in chosen["text"] else "-1"
        assert fitted("feedback", chosen["id"], "--user", user, "--rating", rating).exit_code == 0
    told = document(fitted("replay", "--policy", "greedy", "--policy", "first", "--json"))
    greedy, first = told["policies"]
    assert (greedy["policy"], greedy["choices"], greedy["users"]) == ("greedy", 12, 4)
    assert greedy["snips"]["value"] > first["snips"]["value"]
    table = fitted("replay").stdout
    assert "12 choices of 4 users" in table
    assert "doubly robust" in table
    words = fitted("choose", "Where to?", *shown, "--user", "u1", "--explore", "greedy").stdout
    assert "home home home" in words
    assert "drawn with probability 0.97" in words.replace("0.98", "0.97")
    refused = fitted("choose", "Where to?", *shown, "--user", "u1", "--explore", "best")
    assert refused.exit_code != 0
    assert "explore is 'best'" in refused.stderr


def test_a_preference_is_predicted_or_left_open(fitted):
    question = ("prefers", "Where to?", "home home home", "think think think", "--user")
    known = document(fitted(*question, "u1", "--json"))["prediction"]
    assert known["answer"] == "a"
    assert known["probability"] > 0.8
    open_ = document(fitted(*question, "somebody", "--error", "0.01", "--json"))["prediction"]
    assert open_["answer"] is None
    assert "abstained" in fitted(*question, "somebody", "--error", "0.01").stdout


def test_the_guard_is_told_after_a_fit(call, tmp_path):
    assert call("import", str(write_crowd(tmp_path))).exit_code == 0
    shown = call("fit").stdout
    assert "Guard against few" in shown
    assert "largest share of one user" in shown
    guard = document(call("fit", "--json"))["guard"]
    assert (guard["capped"], guard["outliers"], guard["bursts"]) == (0, 0, [])
