"""Discovery on fake distributions: real dist-info folders and modules, written to tmp_path."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest

from persona_engine.errors import ConfigError, PluginError
from persona_engine.hookspecs import hookimpl
from persona_engine.interfaces import RewardModel
from persona_engine.plugins import Plugins, canonical, discover

Install = Callable[..., Path]

DECODER = """
from persona_engine.hookspecs import hookimpl

class {cls}:
    name = "{name}"

    def __init__(self, *, width: int = 4) -> None:
        if width < 1:
            raise ValueError(f"width is {{width}}, expected at least 1")
        self.width = width

    def generate(self, request, generator, reward, *, on_text=None):
        return self.width

@hookimpl
def persona_decoders():
    return {{"{name}": {cls}, {more}}}
"""


def decoder(name: str, more: str = "") -> str:
    return DECODER.format(name=name, cls=name.title(), more=more)


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Write a distribution of one module and put its folder first on the path."""
    before = set(sys.modules)

    def write(
        distribution: str,
        source: str,
        *,
        entry: str = "",
        folder: str = "site",
        version: str = "1.2",
        suffix: str = "dist-info",
    ) -> Path:
        module = canonical(distribution).replace("-", "_")
        site = tmp_path / folder
        info = site / f"{module}-{version}.{suffix}"
        info.mkdir(parents=True, exist_ok=True)
        (site / f"{module}.py").write_text(source)
        metadata = "PKG-INFO" if suffix == "egg-info" else "METADATA"
        head = f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {version}\n"
        (info / metadata).write_text(head)
        points = entry or f"{module} = {module}"
        (info / "entry_points.txt").write_text(f"[persona_engine]\n{points}\n")
        if str(site) not in sys.path:
            monkeypatch.syspath_prepend(site)
        return site

    yield write
    for name in set(sys.modules) - before:
        if str(tmp_path) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]


def status_of(plugins: Plugins, name: str) -> list[str]:
    return [record.status for record in plugins.records if record.name == name]


def reason_of(plugins: Plugins, name: str) -> str:
    (reason,) = [r.reason for r in plugins.records if r.name == name and r.reason]
    return reason


def test_an_installed_plugin_is_found_and_made(install: Install) -> None:
    install("Acme.Decoders", decoder("quiet"), version="3.1")

    plugins = discover()

    (record,) = [record for record in plugins.records if record.name == "quiet"]
    assert (record.kind, record.status, record.version, record.distribution, record.reason) == (
        "decoder",
        "active",
        "3.1",
        "Acme.Decoders",
        "",
    )
    assert "quiet" in plugins.names("decoder")
    assert "quiet" not in plugins.names("encoder")
    made = plugins.create("decoder", "quiet", width=7)
    assert vars(made) == {"width": 7}
    assert plugins.create("decoder", "quiet") is not made


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("import no_such_module_here", ["ModuleNotFoundError", "install", "no_such_module_here"]),
        ("1 / 0", ["ZeroDivisionError", "report it", "block 'broken'"]),
        ("raise SystemExit(3)", ["SystemExit: 3"]),
        ("def broken(:", ["SyntaxError"]),
        ("value = 1", ["implements no hook", "persona_reward_models", "@hookimpl"]),
        (
            "from persona_engine.hookspecs import hookimpl\n"
            "@hookimpl\ndef persona_decoder():\n    return {}",
            ["unknown hook 'persona_decoder'", "persona_decoders"],
        ),
        (
            "from persona_engine.hookspecs import hookimpl\n"
            "@hookimpl\ndef persona_decoders(engine):\n    return {}",
            ["engine", "none of which takes an argument"],
        ),
        (
            "from persona_engine.hookspecs import hookimpl\n"
            "@hookimpl\ndef persona_decoders():\n    return ['quiet']",
            ["returned ['quiet']", "return {name: factory}"],
        ),
        (
            "from persona_engine.hookspecs import hookimpl\n"
            "@hookimpl\ndef persona_decoders():\n    return None",
            ["returned None", "return {name: factory}"],
        ),
        (
            "from persona_engine.hookspecs import hookimpl\n"
            "@hookimpl\ndef persona_decoders():\n    raise KeyError('x')",
            ["KeyError: 'x'", "report it"],
        ),
        (
            "from persona_engine.hookspecs import hookimpl\n"
            "@hookimpl\ndef persona_decoders():\n    return {'broken': 7}",
            ["is 7, expected a callable", "register the class"],
        ),
        (
            "from persona_engine.errors import MissingExtraError\n"
            "raise MissingExtraError('no faiss', remedy='pip install it')",
            ["no faiss. To mend it: pip install it"],
        ),
    ],
)
def test_a_broken_plugin_is_named_and_the_others_go_on(
    install: Install, source: str, words: list[str]
) -> None:
    install("broken", source)
    install("working", decoder("quiet"))

    plugins = discover()

    assert status_of(plugins, "broken") == ["failed"]
    for word in words:
        assert word in reason_of(plugins, "broken")
    assert "To mend it: " in reason_of(plugins, "broken")
    assert plugins.create("decoder", "quiet")


def test_good_names_of_a_plugin_stay_when_one_is_bad(install: Install) -> None:
    install("mixed", decoder("quiet", "'loud': None, 7: Quiet, '': Quiet"))

    plugins = discover()

    assert status_of(plugins, "quiet") == ["active"]
    assert status_of(plugins, "loud") == status_of(plugins, "7") == status_of(plugins, "")
    assert status_of(plugins, "loud") == ["failed"]


def test_strict_names_every_failure_and_chains_what_they_raised(install: Install) -> None:
    install("first_broken", "1 / 0")
    install("second_broken", "import no_such_module_here")

    with pytest.raises(PluginError) as caught:
        discover(strict=True)

    assert "first_broken" in str(caught.value)
    assert "second_broken" in str(caught.value)
    cause = caught.value.__cause__
    assert isinstance(cause, BaseExceptionGroup)
    assert {type(each) for each in cause.exceptions} >= {ZeroDivisionError, ModuleNotFoundError}


def test_strict_is_content_with_blocked_plugins(install: Install) -> None:
    install("broken", "1 / 0")
    installed = discover(strict=True, blocked=["broken"])
    assert status_of(installed, "broken") == ["blocked"]


@pytest.mark.parametrize("blocked", ["noisy-dist", "Noisy.Dist", "noise", "noisy_dist:noise"])
def test_a_blocked_plugin_is_not_imported(install: Install, tmp_path: Path, blocked: str) -> None:
    mark = tmp_path / "imported"
    source = f"open({str(mark)!r}, 'w').close()\n" + decoder("quiet")
    install("noisy-dist", source, entry="noise = noisy_dist")

    plugins = discover(blocked=[blocked])

    assert not mark.exists()
    assert status_of(plugins, "noise") == ["blocked"]
    assert "quiet" not in plugins.names("decoder")


def test_a_blocked_method_leaves_its_siblings(install: Install) -> None:
    install("pair", decoder("quiet", "'loud': Quiet"), entry="both = pair")

    plugins = discover(blocked=["loud"])

    assert status_of(plugins, "loud") == ["blocked"]
    assert "quiet" in plugins.names("decoder")
    with pytest.raises(PluginError, match="'loud' is blocked: it is on the block list"):
        plugins.create("decoder", "loud")


def test_of_two_plugins_with_one_name_the_first_stays(install: Install) -> None:
    install("acme", decoder("quiet"))
    install("zebra", decoder("quiet"))

    plugins = discover()

    assert [(r.distribution, r.status) for r in plugins.records if r.name == "quiet"] == [
        ("acme", "active"),
        ("zebra", "failed"),
    ]
    assert "registered already, by acme:acme" in reason_of(plugins, "quiet")
    freed = discover(blocked=["acme:acme"])
    assert status_of(freed, "quiet") == ["active"]


def test_the_engines_own_plugins_are_never_replaced(install: Install) -> None:
    install("aardvark", decoder("quiet"))
    install("persona_engine", decoder("quiet"), entry="own = persona_own", version="9")
    site = install("persona_own", decoder("quiet"), entry="unused = nowhere")
    (site / "persona_own-1.2.dist-info" / "entry_points.txt").unlink()
    (site / "persona_engine.py").unlink()

    records = [r for r in discover().records if r.name == "quiet"]

    assert [(r.distribution, r.status) for r in records] == [
        ("persona_engine", "active"),
        ("aardvark", "failed"),
    ]


def test_a_name_may_be_used_by_two_kinds(install: Install) -> None:
    source = decoder("quiet") + (
        "\n@hookimpl\ndef persona_instruction_selectors():\n    return {'quiet': Quiet}\n"
    )
    install("twice", source)
    plugins = discover()
    assert "quiet" in plugins.names("decoder")
    assert "quiet" in plugins.names("instruction_selector")


def test_a_distribution_found_twice_counts_once(install: Install) -> None:
    install("acme", decoder("quiet"), suffix="egg-info")
    install("acme", decoder("quiet"), folder="other")
    assert status_of(discover(), "quiet") == ["active"]


def test_one_module_under_two_entry_points_is_registered_once(install: Install) -> None:
    install("acme", decoder("quiet"), entry="one = acme\ntwo = acme")
    plugins = discover()
    assert status_of(plugins, "quiet") == ["active"]
    assert "registered already" in reason_of(plugins, "two")


def test_a_damaged_entry_point_file_hides_nobody_else(install: Install) -> None:
    install("damaged", "", entry="no equals sign here")
    install("working", decoder("quiet"))
    plugins = discover()
    assert status_of(plugins, "damaged") == ["failed"]
    assert "entry_points.txt cannot be read" in reason_of(plugins, "damaged")
    assert status_of(plugins, "quiet") == ["active"]


class GivenDecoder:
    name = "given"

    def generate(self, request, generator, reward, *, on_text=None):
        return None


class Given:
    @hookimpl
    def persona_decoders(self):
        return {"given": GivenDecoder, "half": lambda: 7}


def test_a_host_gives_its_own_plugin() -> None:
    plugins = discover(extra=[Given()])
    (record,) = [r for r in plugins.records if r.name == "given"]
    assert (record.distribution, record.version, record.status) == (None, None, "active")
    assert isinstance(plugins.create("decoder", "given"), GivenDecoder)


def test_a_host_gives_a_module() -> None:
    module = ModuleType("host_plugin")
    module.persona_decoders = hookimpl(lambda: {"given": GivenDecoder})  # type: ignore[attr-defined]
    module.persona_decoders.__name__ = "persona_decoders"  # type: ignore[attr-defined]
    assert "given" in discover(extra=[module]).names("decoder")
    assert "given" not in discover(extra=[module], blocked=["host_plugin"]).names("decoder")


def test_engines_do_not_share_plugins() -> None:
    discover(extra=[Given()])
    assert "given" not in discover().names("decoder")


def test_create_says_what_is_there() -> None:
    plugins = discover(extra=[Given()])
    with pytest.raises(PluginError, match=r"no active decoder is called 'loud'.*'given'"):
        plugins.create("decoder", "loud")


def test_create_says_why_a_failed_plugin_is_missing(install: Install) -> None:
    install("broken", "1 / 0")
    plugins = discover()
    with pytest.raises(PluginError, match="'broken' is failed: ZeroDivisionError") as caught:
        plugins.create("decoder", "broken")
    assert isinstance(caught.value.__cause__, ZeroDivisionError)
    with pytest.raises(PluginError, match="'broken' is failed: ZeroDivisionError"):
        plugins.create("decoder", "a name that the broken plugin may have had")


def test_create_checks_settings(install: Install) -> None:
    install("acme", decoder("quiet"))
    plugins = discover()
    with pytest.raises(ConfigError, match=r"unexpected.*'depth'.*width: 'int' = 4|width: int = 4"):
        plugins.create("decoder", "quiet", depth=2)
    with pytest.raises(ConfigError, match="width is 0, expected at least 1"):
        plugins.create("decoder", "quiet", width=0)
    with pytest.raises(ConfigError, match="not supported between"):
        plugins.create("decoder", "quiet", width="wide")


def test_create_checks_what_it_made() -> None:
    plugins = discover(extra=[Given()])
    with pytest.raises(
        PluginError, match=r"'half' returned 'int', which is no Decoder: .*generate"
    ):
        plugins.create("decoder", "half")


def test_a_factory_that_breaks_is_a_plugin_error() -> None:
    class Breaking:
        @hookimpl
        def persona_decoders(self):
            return {"breaking": lambda: {}["x"]}

    with pytest.raises(PluginError, match="'breaking' could not be made: KeyError: 'x'"):
        discover(extra=[Breaking()]).create("decoder", "breaking")


def test_a_reward_model_must_have_the_name_it_registered() -> None:
    methods = ("fit", "infer", "update", "score", "logit", "embed")
    model = type("Model", (RewardModel,), dict.fromkeys(methods, print) | {"name": "mine"})

    class Misnamed:
        @hookimpl
        def persona_reward_models(self):
            return {"other": model, "mine": model, "foreign": dict}

    plugins = discover(extra=[Misnamed()])
    assert isinstance(plugins.create("reward_model", "mine"), RewardModel)
    with pytest.raises(PluginError, match="'other' calls itself 'mine'"):
        plugins.create("reward_model", "other")
    with pytest.raises(PluginError, match="lacks its base class"):
        plugins.create("reward_model", "foreign")
