"""Nearest vectors of one tenant: a cache of what SQL holds, never the truth.

Each tenant and kind (users by preference embedding, instructions by sentence embedding) has one
file, so a search can not see another tenant. A file names the feature space and the generation of
the data that it was built from and carries checksums over everything; one that is missing, damaged
or stale is built again from SQL. It is mapped into memory when somebody first searches. FAISS
searches where it is installed, exactly up to 50,000 vectors and approximately, with a measured
recall, above; otherwise numpy gives the exact neighbours.
"""

from persona_engine.index.cache import VectorCache
from persona_engine.index.files import Kind, Manifest
from persona_engine.index.kinds import EXACT, IndexKind
from persona_engine.index.snapshot import Snapshot
from persona_engine.index.status import IndexState, IndexStatus

__all__ = [
    "EXACT",
    "IndexKind",
    "IndexState",
    "IndexStatus",
    "Kind",
    "Manifest",
    "Snapshot",
    "VectorCache",
]
