"""Which index files belong to an engine's database, and who is erased from them."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import get_args

from persona_engine.chosen import ChosenPlugins
from persona_engine.index import Kind, VectorCache
from persona_engine.index.files import index_path
from persona_engine.types import Scope


class Indexes(ChosenPlugins):
    """The indexes of users and of their descriptions: caches of what the database holds."""

    def index(self, tenant: str, kind: Kind, fingerprint: str) -> VectorCache:
        """Return a tenant's index of users, or of what hosts say of them."""
        return self._once(
            f"index/{kind}/{fingerprint}/{tenant}",
            lambda: VectorCache(
                self.index_folder,
                tenant=tenant,
                kind=kind,
                fingerprint=fingerprint,
                index=self.config.index_kind,
                patience=self.config.index_patience_seconds,
            ),
        )

    def erase_vectors(self, scope: Scope) -> dict[str, int]:
        """Remove a user from the tenant's index files, at once."""
        counts: dict[str, int] = {
            kind: self._erased(scope.tenant, kind, scope.user) for kind in get_args(Kind)
        }
        if not counts["traits"]:
            del counts["traits"]  # few hosts say anything of people
        return counts

    def _erased(self, tenant: str, kind: Kind, user: str) -> int:
        if not index_path(self.index_folder, tenant=tenant, kind=kind).parent.exists():
            return 0  # without loading what searches
        folder = self.index_folder
        return VectorCache(folder, tenant=tenant, kind=kind, fingerprint="any").remove(user)

    @property
    def training_folder(self) -> Path:
        """Where unfinished adapters of this database's tenants are."""
        return self.index_folder / "training"

    @property
    def index_folder(self) -> Path:
        """Where the files of this database are."""
        name, database = self.config.database, self.config.database
        if name.startswith("sqlite:///"):
            database = str(Path(name.removeprefix("sqlite:///")).absolute())
        digest = hashlib.sha256(database.encode()).hexdigest()[:16]
        return self.config.data_folder / digest
