"""Keeps the index of one tenant and kind fresh, on disk and in memory."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Collection, Iterable
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from persona_engine.errors import ArtefactError, ScopeError, StoreUnavailableError
from persona_engine.index import files
from persona_engine.index.backends import resolve_backend
from persona_engine.index.files import IndexFile, Kind, Manifest
from persona_engine.index.locking import exclusive
from persona_engine.index.snapshot import Snapshot, build_snapshot, from_vectors, read_snapshot
from persona_engine.types import FloatArray

IndexState = Literal["fresh", "stale", "missing", "damaged"]
Load = Callable[[], Iterable[tuple[str, FloatArray]]]

logger = logging.getLogger("persona_engine.index")


@dataclass(frozen=True, slots=True)
class IndexStatus:
    """The state of one index file.

    Args:
        state: ``fresh`` matches what was asked for; every other one is rebuilt at the next search.
        path: The file.
        detail: What is wrong, in words; empty when fresh.
        count: Vectors in it; 0 when it cannot be read.
        generation: State of SQL that it was built from, or None when it cannot be read.
    """

    state: IndexState
    path: Path
    detail: str = ""
    count: int = 0
    generation: str | None = None


class VectorCache:
    """The index of one tenant's users or instructions.

    Nothing is read or written before the first search. Safe to share between threads; any number
    of processes may use the same folder. Where the folder cannot be written, the index is built
    in memory, which is logged once.

    Args:
        folder: Where the engine keeps its indexes.
        tenant: Whose vectors; each tenant has files of its own.
        kind: What the vectors stand for.
        fingerprint: Feature space of vectors and queries; a file of another one is rebuilt.
        backend: ``auto`` takes FAISS when it is installed, else exact numpy.
        lock_timeout: Seconds to wait for another process that is building the same index.

    Raises:
        ScopeError: The tenant is empty.
        MissingExtraError: The ``faiss`` backend was asked for and is not installed.

    Examples:
        >>> import tempfile
        >>> import numpy as np
        >>> folder = tempfile.TemporaryDirectory()
        >>> cache = VectorCache(Path(folder.name), tenant="t", kind="users", fingerprint="f")
        >>> rows = lambda: [("ann", np.array([1.0, 0.1])), ("bob", np.array([0.0, 1.0]))]
        >>> cache.search(rows, "1", np.array([1.0, 0.0]), count=1)[0][0]
        'ann'
        >>> cache.status(generation="2").state
        'stale'
        >>> folder.cleanup()
    """

    def __init__(
        self,
        folder: Path,
        *,
        tenant: str,
        kind: Kind,
        fingerprint: str,
        backend: Literal["auto", "faiss", "numpy"] = "auto",
        lock_timeout: float = 30.0,
    ) -> None:
        if not tenant:
            raise ScopeError("tenant is '', expected a name", remedy="pass the tenant's name")
        self.path = files.index_path(folder, tenant=tenant, kind=kind)
        self._tenant = tenant
        self._kind: Kind = kind
        self._fingerprint = fingerprint
        self._backend = resolve_backend(backend)
        self._lock_timeout = lock_timeout
        self._guard = threading.RLock()
        self._held: Snapshot | None = None
        self._told = False

    def search(
        self,
        load: Load,
        generation: str,
        query: FloatArray,
        *,
        count: int,
        allowed: Collection[str] | None = None,
        exclude: Collection[str] = (),
    ) -> list[tuple[str, float]]:
        """Return the nearest keys and their cosine similarity, nearest first.

        See `current` for ``load`` and ``generation``, `Snapshot.search` for the rest and for the
        errors raised.
        """
        snapshot = self.current(load, generation)
        return snapshot.search(query, count=count, allowed=allowed, exclude=exclude)

    def current(self, load: Load, generation: str) -> Snapshot:
        """Return the index of that generation: from memory, from the file, or built.

        Args:
            load: Reads every key and vector ``(D,)`` of this tenant from SQL; called only when
                memory and file do not match, while no other process builds.
            generation: Names the state of SQL. Read it before calling: data newer than it only
                mean one more rebuild, never a stale answer.
        """
        with self._guard:
            if self._held is not None and self._matches(self._held.manifest, generation):
                return self._held
            self._held = self._read(generation) or self._rebuild(load, generation)
            return self._held

    def remove(self, *keys: str) -> int:
        """Erase vectors from the file and from memory at once; return how many there were.

        Call it after SQL has forgotten them: a rebuild that runs meanwhile ends before the removal
        starts, or no longer sees them. A file that cannot be read is deleted, whatever it held.

        Raises:
            StoreUnavailableError: The file holds them and cannot be replaced.
        """
        with self._guard:
            doomed = frozenset(keys)
            held = sum(key in self._held for key in doomed) if self._held is not None else 0
            self._held = None
            try:
                return max(held, self._erase(doomed))
            except OSError as error:
                raise StoreUnavailableError(
                    f"cannot erase {len(doomed)} keys from the index {self.path}: {error}",
                    remedy="make the folder writable, or delete the file: it is only a cache",
                ) from error

    def status(self, *, generation: str | None = None) -> IndexStatus:
        """Return the state of the file, against that generation or, without one, any.

        Reads and verifies the whole file; changes nothing.
        """
        try:
            file = self._verified()
        except FileNotFoundError:
            return IndexStatus("missing", self.path, "not built yet")
        except (ArtefactError, OSError) as error:
            return IndexStatus("damaged", self.path, str(error))
        detail = self._difference(file.manifest, generation)
        state: IndexState = "stale" if detail else "fresh"
        manifest = file.manifest
        return IndexStatus(state, self.path, detail, manifest.count, manifest.generation)

    def _erase(self, doomed: frozenset[str]) -> int:
        """Take keys out of the file and return how many it had; unlocked readers see old or new."""
        if not self.path.parent.exists():
            return 0
        with self._lock():
            files.sweep(self.path)
            try:
                file = self._verified()
            except FileNotFoundError:
                return 0
            except ArtefactError:
                files.delete(self.path)
                return 0
            gone = len(doomed.intersection(file.keys))
            if gone:
                self._rewrite_without(file, doomed)
            return gone

    def _rewrite_without(self, file: IndexFile, doomed: frozenset[str]) -> None:
        """Replace the file by one without these keys, or delete it where it cannot be read."""
        if file.manifest.backend != self._backend.name or doomed.issuperset(file.keys):
            files.delete(self.path)
            return
        try:
            snapshot = read_snapshot(file, backend=self._backend)
        except ArtefactError:
            files.delete(self.path)
            return
        rows = [row for row, key in enumerate(file.keys) if key not in doomed]
        keys = tuple(file.keys[row] for row in rows)
        vectors = snapshot.searcher.vectors()[rows]
        self._write(from_vectors(keys, vectors, manifest=file.manifest, backend=self._backend))

    def _rebuild(self, load: Load, generation: str) -> Snapshot:
        """Build from SQL and write the file, unless another process just did."""
        with ExitStack() as stack:
            locked = self._try_to_lock(stack)
            found = self._read(generation) if locked else None
            if found is not None:
                return found
            wanted = Manifest(
                tenant=self._tenant,
                kind=self._kind,
                fingerprint=self._fingerprint,
                generation=generation,
                count=0,
                width=0,
                backend=self._backend.name,
            )
            snapshot = build_snapshot(load(), manifest=wanted, backend=self._backend)
            if locked:
                self._try_to_write(snapshot)
            return snapshot

    def _read(self, generation: str) -> Snapshot | None:
        """Return the file's snapshot, or None where it has to be built again."""
        try:
            file = self._verified()
            if not self._matches(file.manifest, generation):
                return None
            return read_snapshot(file, backend=self._backend)
        except FileNotFoundError:
            return None
        except (ArtefactError, OSError) as error:
            logger.warning("index %s cannot be used and is built again: %s", self.path, error)
            return None

    def _verified(self) -> IndexFile:
        """Read the file and check it against its checksum."""
        return files.unpack(self.path.read_bytes())

    def _matches(self, manifest: Manifest, generation: str) -> bool:
        return not self._difference(manifest, generation)

    def _difference(self, manifest: Manifest, generation: str | None) -> str:
        """Say what keeps an index from being used; empty when nothing does."""
        wanted = {
            "tenant": self._tenant,
            "kind": self._kind,
            "fingerprint": self._fingerprint,
            "backend": self._backend.name,
        }
        if generation is not None:
            wanted["generation"] = generation
        return "; ".join(
            f"{name} is {getattr(manifest, name)!r}, expected {value!r}"
            for name, value in wanted.items()
            if getattr(manifest, name) != value
        )

    def _lock(self) -> AbstractContextManager[None]:
        return exclusive(self.path.with_suffix(".lock"), timeout=self._lock_timeout)

    def _try_to_lock(self, stack: ExitStack) -> bool:
        """Hold the lock until the stack closes; without it, work from memory."""
        try:
            stack.enter_context(self._lock())
        except (OSError, StoreUnavailableError) as error:
            self._tell(error)
            return False
        return True

    def _try_to_write(self, snapshot: Snapshot) -> None:
        """Write the file; a full disk costs the next process a rebuild, nothing more."""
        try:
            self._write(snapshot)
        except OSError as error:
            self._tell(error)

    def _write(self, snapshot: Snapshot) -> None:
        content = files.pack(snapshot.manifest, snapshot.keys, snapshot.searcher.dump())
        files.write_atomically(self.path, content)

    def _tell(self, error: Exception) -> None:
        """Log once that the index lives in memory only."""
        if not self._told:
            self._told = True
            logger.warning("index %s cannot be written; serving from memory: %s", self.path, error)
