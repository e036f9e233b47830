"""Nearest vectors of one tenant: a cache of what SQL holds, never the truth.

Each tenant and kind (users by preference embedding, instructions by sentence embedding) has one
file, so a search can not see another tenant. A file names the feature space and the generation of
the data that it was built from and carries a checksum over everything; one that is missing,
damaged or stale is built again from SQL. FAISS searches where it is installed; otherwise an exact
numpy index gives the same neighbours.
"""

from persona_engine.index.cache import IndexState, IndexStatus, VectorCache
from persona_engine.index.files import Kind, Manifest
from persona_engine.index.snapshot import Snapshot

__all__ = ["IndexState", "IndexStatus", "Kind", "Manifest", "Snapshot", "VectorCache"]
