"""What an index has to be, so that it may serve."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from persona_engine.index.backends import BackendName
from persona_engine.index.files import Kind, Manifest
from persona_engine.index.kinds import IndexKind, kind_for


@dataclass(frozen=True, slots=True)
class Wanted:
    """Whose vectors an index holds, and how they are to be searched.

    Args:
        tenant: Whose.
        kind: What the vectors stand for.
        fingerprint: Feature space of vectors and queries.
        backend: What reads and searches them.
        index: Kind of index; ``auto`` for the one that suits the number of vectors.
    """

    tenant: str
    kind: Kind
    fingerprint: str
    backend: BackendName
    index: IndexKind | Literal["auto"]

    def matches(self, manifest: Manifest, generation: str | None) -> bool:
        """Return whether an index is such a one, of that generation or, without one, any."""
        return not self.difference(manifest, generation)

    def difference(self, manifest: Manifest, generation: str | None) -> str:
        """Say what keeps an index from being used; empty when nothing does."""
        wanted = {
            "tenant": self.tenant,
            "kind": self.kind,
            "fingerprint": self.fingerprint,
            "backend": self.backend,
        }
        if self.backend == "faiss":
            wanted["index"] = kind_for(manifest.count, self.index)
        if generation is not None:
            wanted["generation"] = generation
        return "; ".join(
            f"{name} is {getattr(manifest, name)!r}, expected {value!r}"
            for name, value in wanted.items()
            if getattr(manifest, name) != value
        )

    def manifest(self, generation: str) -> Manifest:
        """Return the manifest of an index of that generation that is yet to be built."""
        return Manifest(
            tenant=self.tenant,
            kind=self.kind,
            fingerprint=self.fingerprint,
            generation=generation,
            count=0,
            width=0,
            backend=self.backend,
        )
