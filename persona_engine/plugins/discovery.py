"""Loading plugins from entry points, each isolated from the others."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pluggy

from persona_engine import hookspecs
from persona_engine.errors import PersonaError, PluginError
from persona_engine.plugins.registry import (
    KINDS,
    PluginKind,
    PluginRecord,
    Plugins,
    PluginStatus,
    canonical,
)

if TYPE_CHECKING:
    from importlib.metadata import Distribution

GROUP = "persona_engine"
FIRST_PARTY = "persona-engine"

_HOOKS = ", ".join(f"persona_{kind}s" for kind in KINDS)
_BLOCKED = "it is on the block list"
_log = logging.getLogger(__name__)


def discover(
    *, blocked: Collection[str] = (), strict: bool = False, extra: Iterable[object] = ()
) -> Plugins:
    """Find, load and register every installed plugin, each isolated from the others.

    The engine's own plugins come first, then other distributions by name, then ``extra``. Where two
    plugins register one name of one kind, the later one fails: installing something never replaces
    what is there.

    Args:
        blocked: What not to load: entry points, distributions, or ``distribution:entry-point``,
            which are not even imported; or names that plugins register, of which only that one is
            left out.
        strict: Raise when any plugin failed.
        extra: Plugin objects of the host: modules, classes or instances with hook implementations.

    Raises:
        PluginError: ``strict`` is set and plugins failed; the message names every one of them.
    """
    discovery = _Discovery(frozenset(canonical(name) for name in blocked))
    for source in [*_installed(), *map(_given, extra)]:
        discovery.add(source)
    failed = [record for record in discovery.records if record.status == "failed"]
    if strict and failed:
        raise _all_of(failed)
    for record in failed:
        _log.warning("plugin %r is not active: %s", record.name, record.reason)
    return Plugins(discovery.records, discovery.factories)


@dataclass(frozen=True, slots=True)
class _Source:
    """Where a plugin comes from: an entry point of a distribution, or the host."""

    name: str
    distribution: str | None
    version: str | None
    load: Callable[[], object]

    @property
    def qualified(self) -> str:
        return f"{self.distribution or 'host'}:{self.name}"

    def is_in(self, blocked: frozenset[str]) -> bool:
        names = (self.name, self.qualified, self.distribution or self.name)
        return any(canonical(name) in blocked for name in names)


class _Discovery:
    """Registers plugins one by one and writes down what became of each."""

    def __init__(self, blocked: frozenset[str]) -> None:
        self.blocked = blocked
        self.records: list[PluginRecord] = []
        self.factories: dict[tuple[PluginKind, str], Callable[..., Any]] = {}
        self._owners: dict[tuple[PluginKind, str], str] = {}
        self._manager = pluggy.PluginManager(hookspecs.PROJECT)
        self._manager.add_hookspecs(hookspecs)

    def add(self, source: _Source) -> None:
        if source.is_in(self.blocked):
            self._record(source, source.name, None, "blocked", reason=_BLOCKED)
            return
        try:
            plugin = source.load()
            self._register(plugin, source)
        except (Exception, SystemExit) as error:  # a plugin may raise anything at import
            self._fail(source, source.name, None, error)
            return
        for kind in KINDS:
            self._collect(kind, plugin, source)

    def _register(self, plugin: object, source: _Source) -> None:
        registered = self._manager.get_name(plugin)
        if registered is not None:
            raise PluginError(
                f"{source.qualified} names the plugin that {registered} has registered already",
                remedy=f"uninstall one of them, or block {source.qualified!r}",
            )
        try:
            self._manager.register(plugin, name=source.qualified)
            self._manager.check_pending()
            if not self._manager.get_hookcallers(plugin):
                raise PluginError(
                    f"{source.qualified} implements no hook, expected one of {_HOOKS}",
                    remedy="mark the function with @hookimpl of persona_engine.hookspecs",
                )
        except Exception:
            if self._manager.get_name(plugin) is not None:
                self._manager.unregister(plugin)
            raise

    def _collect(self, kind: PluginKind, plugin: object, source: _Source) -> None:
        others = self._manager.get_plugins() - {plugin}
        hook = self._manager.subset_hook_caller(f"persona_{kind}s", others)
        if not hook.get_hookimpls():
            return
        try:
            answers = hook() or [None]  # pluggy leaves out the answer None
            for answer in answers:
                self._accept_all(kind, answer, source)
        except (Exception, SystemExit) as error:  # a hook may raise anything
            self._fail(source, source.name, kind, error)

    def _accept_all(self, kind: PluginKind, answer: object, source: _Source) -> None:
        if not isinstance(answer, Mapping):
            raise PluginError(
                f"the hook persona_{kind}s returned {answer!r}, expected a mapping",
                remedy="return {name: factory}",
            )
        for name, factory in answer.items():
            try:
                self._accept(kind, name, factory, source)
            except PluginError as error:
                self._fail(source, str(name), kind, error)

    def _accept(self, kind: PluginKind, name: object, factory: object, source: _Source) -> None:
        if not isinstance(name, str) or not name.strip():
            raise PluginError(
                f"a {kind} is registered as {name!r}, expected a name", remedy="name it by a text"
            )
        if canonical(name) in self.blocked:
            self._record(source, name, kind, "blocked", reason=_BLOCKED)
            return
        if not callable(factory):
            raise PluginError(
                f"the factory of {kind} {name!r} is {factory!r}, expected a callable",
                remedy="register the class, or a function that returns an instance",
            )
        owner = self._owners.setdefault((kind, name), source.qualified)
        if (kind, name) in self.factories:
            raise PluginError(
                f"{kind} {name!r} is registered already, by {owner}",
                remedy=f"block one of them: {owner!r} or {source.qualified!r}",
            )
        self.factories[kind, name] = factory
        self._record(source, name, kind, "active")

    def _fail(
        self, source: _Source, name: str, kind: PluginKind | None, error: BaseException
    ) -> None:
        self._record(source, name, kind, "failed", reason=_explain(source, error), error=error)

    def _record(
        self,
        source: _Source,
        name: str,
        kind: PluginKind | None,
        status: PluginStatus,
        *,
        reason: str = "",
        error: BaseException | None = None,
    ) -> None:
        self.records.append(
            PluginRecord(name, kind, source.version, source.distribution, status, reason, error)
        )


def _installed() -> list[_Source]:
    """Return the entry points of every distribution on the path, in the order of loading."""
    from importlib.metadata import distributions  # parses mail headers: slow to import

    found: dict[str, list[_Source]] = {}
    for distribution in distributions():
        sources = _sources(distribution)
        if sources:
            # an editable install may be there twice; what comes first on the path is what imports
            found.setdefault(canonical(str(sources[0].distribution)), sources)
    order = sorted(found, key=lambda name: (name != FIRST_PARTY, name))
    return [source for name in order for source in found[name]]


def _sources(distribution: Distribution) -> list[_Source]:
    try:
        text = distribution.read_text("entry_points.txt")
    except UnicodeDecodeError:  # not a file of ours to judge
        return []
    if text is None or GROUP not in text:
        return []
    name, version = str(distribution.metadata["Name"]), distribution.version
    try:
        points = sorted(p for p in distribution.entry_points if p.group == GROUP)
    except Exception as error:  # one damaged file must not hide the others' plugins
        return [_Source(name, name, version, _raiser(error))]
    return [_Source(point.name, name, version, point.load) for point in points]


def _raiser(error: Exception) -> Callable[[], object]:
    def load() -> object:
        raise PluginError(
            f"its entry_points.txt cannot be read: {error}", remedy="install it again"
        ) from error

    return load


def _given(plugin: object) -> _Source:
    name = getattr(plugin, "__name__", None) or type(plugin).__name__
    return _Source(str(name), None, None, lambda: plugin)


def _explain(source: _Source, error: BaseException) -> str:
    """Return what went wrong and what to do about it."""
    if isinstance(error, PersonaError) and error.remedy is not None:
        return str(error)
    if isinstance(error, pluggy.PluginValidationError):
        remedy = f"the hooks, none of which takes an argument, are {_HOOKS}"
    elif isinstance(error, ModuleNotFoundError) and error.name:
        remedy = f"install what provides {error.name.partition('.')[0]!r}, or block {source.name!r}"
    else:
        remedy = f"report it to the authors of {source.qualified}, or block {source.name!r}"
    what = " ".join(str(error).split()).rstrip(".")
    return f"{type(error).__name__}: {what}. To mend it: {remedy}"


def _all_of(failed: Sequence[PluginRecord]) -> PluginError:
    listed = "\n".join(f"- {record.name}: {record.reason}" for record in failed)
    error = PluginError(
        f"{len(failed)} plugins could not be loaded:\n{listed}\n",
        remedy="mend or block each, or start without strict",
    )
    causes = [each.error for each in failed if each.error is not None]
    error.__cause__ = BaseExceptionGroup("what the plugins raised", causes)
    return error
