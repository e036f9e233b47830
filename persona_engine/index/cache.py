"""Keeps the index of one tenant and kind fresh, on disk and in memory."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Collection, Iterable
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import Literal

from persona_engine.errors import ArtefactError, ScopeError, StoreUnavailableError
from persona_engine.index import files
from persona_engine.index.backends import resolve_backend
from persona_engine.index.erasing import erase_keys
from persona_engine.index.files import IndexFile, Kind
from persona_engine.index.kinds import IndexKind
from persona_engine.index.locking import exclusive
from persona_engine.index.snapshot import Snapshot, build_snapshot, read_snapshot
from persona_engine.index.status import IndexState, IndexStatus
from persona_engine.index.wanted import Wanted
from persona_engine.types import FloatArray

Load = Callable[[], Iterable[tuple[str, FloatArray]]]
Generation = str | Callable[[], str]

_ASKED_EVERY = 1 / 60  # of the patience

logger = logging.getLogger("persona_engine.index")


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
        index: Kind of index; ``auto`` takes the one that suits the number of vectors.
        patience: Seconds for which an index of more vectors than exact search suits may serve after
            SQL has changed: it is built again in the background then, and not by whoever searches.
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
        index: IndexKind | Literal["auto"] = "auto",
        patience: float = 0.0,
        lock_timeout: float = 30.0,
    ) -> None:
        if not tenant:
            raise ScopeError("tenant is '', expected a name", remedy="pass the tenant's name")
        self.path = files.index_path(folder, tenant=tenant, kind=kind)
        self._backend = resolve_backend(backend)
        self._wanted = Wanted(tenant, kind, fingerprint, self._backend.name, index)
        self._patience = patience
        self._asked = 0.0
        self._renewal: threading.Thread | None = None
        self._lock_timeout = lock_timeout
        self._guard = threading.RLock()
        self._held: Snapshot | None = None
        self._told = False

    def search(
        self,
        load: Load,
        generation: Generation,
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

    def current(self, load: Load, generation: Generation) -> Snapshot:
        """Return the index of that generation: from memory, from the file, or built.

        A large one (see ``patience``) may be of an earlier generation; `Snapshot.manifest` says of
        which.

        Args:
            load: Reads every key and vector ``(D,)`` of this tenant from SQL; called only when
                memory and file do not match, while no other process builds.
            generation: Names the state of SQL, or the function that asks for it. Read before
                calling: data newer than it only mean one more rebuild, never a stale answer.
        """
        with self._guard:
            if self._held is not None and self._asked_lately():
                return self._held
            wanted = generation() if callable(generation) else generation
            self._asked = time.monotonic()
            if self._held is None or not self._wanted.matches(self._held.manifest, wanted):
                found = self._held if self._is_large(self._held) else self._read(wanted)
                if found is None or not self._wanted.matches(found.manifest, wanted):
                    found = self._late(found, load, wanted)
                self._held = found
            return self._held

    def _asked_lately(self) -> bool:
        """Whether a large index was compared with SQL a moment ago: asking costs, too."""
        return self._is_large(self._held) and (
            time.monotonic() - self._asked < _ASKED_EVERY * self._patience
        )

    def _late(self, held: Snapshot | None, load: Load, generation: str) -> Snapshot:
        """Return a new index or, where a large one may serve for a while, that one."""
        if (
            held is None
            or not self._is_large(held)
            or not self._wanted.matches(held.manifest, None)
        ):
            return self._rebuild(load, generation)
        renewing = self._renewal is not None and self._renewal.is_alive()
        if time.time() - held.manifest.built_at > self._patience and not renewing:
            self._renewal = threading.Thread(
                target=self._renew, args=(load, generation), name="persona-index", daemon=True
            )
            self._renewal.start()
        return held

    def _renew(self, load: Load, generation: str) -> None:
        try:
            snapshot = self._rebuild(load, generation)
        except Exception:
            logger.exception("index %s could not be built again; the old one serves", self.path)
            return
        with self._guard:
            self._held = snapshot

    def _is_large(self, held: Snapshot | None) -> bool:
        return self._patience > 0.0 and held is not None and held.manifest.index != "flat"

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
        detail = self._wanted.difference(file.manifest, generation)
        state: IndexState = "stale" if detail else "fresh"
        manifest = file.manifest
        count = manifest.count - manifest.erased
        return IndexStatus(state, self.path, detail, count, manifest.generation, manifest)

    def _erase(self, doomed: frozenset[str]) -> int:
        """Take keys out of the file and return how many it had; unlocked readers see old or new."""
        if not self.path.parent.exists():
            return 0
        with self._lock():
            return erase_keys(self.path, doomed, self._backend)

    def _rebuild(self, load: Load, generation: str) -> Snapshot:
        """Build from SQL and write the file, unless another process just did."""
        with ExitStack() as stack:
            locked = self._try_to_lock(stack)
            found = self._read(generation) if locked else None
            if found is not None and self._wanted.matches(found.manifest, generation):
                return found
            snapshot = build_snapshot(
                load(),
                manifest=self._wanted.manifest(generation),
                backend=self._backend,
                index=self._wanted.index,
            )
            if locked:
                self._try_to_write(snapshot)
            return snapshot

    def _read(self, generation: str) -> Snapshot | None:
        """Return the file's snapshot, or None where it has to be built again.

        One of an earlier generation is returned where it is large enough to serve for a while.
        """
        try:
            file = self._verified()
            late = self._patience > 0.0 and file.manifest.index != "flat"
            if not self._wanted.matches(file.manifest, None if late else generation):
                return None
            return read_snapshot(file, backend=self._backend)
        except FileNotFoundError:
            return None
        except (ArtefactError, OSError) as error:
            logger.warning("index %s cannot be used and is built again: %s", self.path, error)
            return None

    def _verified(self) -> IndexFile:
        """Map the file and check it against its checksums."""
        return files.read(self.path)

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
        payload = snapshot.searcher.dump()
        files.write_atomically(
            self.path, files.pack(snapshot.manifest, snapshot.keys, payload.data)
        )

    def _tell(self, error: Exception) -> None:
        """Log once that the index lives in memory only."""
        if not self._told:
            self._told = True
            logger.warning("index %s cannot be written; serving from memory: %s", self.path, error)
