"""The versions of a tenant's adapters: files that a manifest vouches for, and rows that name it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from persona_engine.adapters.export import export_adapter
from persona_engine.adapters.manifest import (
    CONFIG,
    MANIFEST,
    WEIGHTS,
    AdapterManifest,
    check_layout,
    verify_folder,
)
from persona_engine.adapters.staging import Staging
from persona_engine.errors import ArtefactError, ConflictError, InvalidInputError, NotFoundError
from persona_engine.store import AdapterRow, Artefact, NewAdapter, TenantStore, check_json
from persona_engine.types import Json, TrainedAdapter
from persona_engine.weights.manifest import file_sha256

_VERSION = re.compile(r"[0-9a-f]{16}")


@dataclass(frozen=True, slots=True)
class Origin:
    """Where an adapter that is to be registered comes from.

    Args:
        cluster: Lasting name of the cluster that it was trained for.
        base: Hash of the base model.
        trainer: Plugin that trained it.
        users: Whom it learned from.
        data: Fingerprint of what it was trained on.
        metrics: What it was judged by, as JSON.
        seeds: What decided its training's draws.
        code: Version of persona_engine that trained it; this one if omitted.
    """

    cluster: str
    base: str
    trainer: str
    users: Sequence[str] = ()
    data: str = ""
    metrics: Json = field(default_factory=dict)
    seeds: Mapping[str, int] = field(default_factory=dict)
    code: str = ""


class AdapterRegistry:
    """A tenant's adapters: added, listed, published, rolled back, deleted, exported.

    Each version is a folder with the adapter in PEFT's layout, as safetensors, and a manifest; its
    id is the manifest's hash, which the store's row holds in full. Nothing is loaded that this
    chain does not vouch for.

    Args:
        rows: The tenant's rows.
        folder: Of the registry, for all tenants of one database.
        changed: Called after what is published changed.
    """

    def __init__(
        self, rows: TenantStore, folder: Path, *, changed: Callable[[], None] = lambda: None
    ) -> None:
        self._rows = rows
        self._root = folder
        self._place = hashlib.sha256(rows.tenant.encode("utf-8", "surrogatepass")).hexdigest()[:32]
        self._staging = Staging(folder / self._place, known=self._known)
        self._changed = changed

    def add(self, trained: TrainedAdapter, origin: Origin) -> AdapterRow:
        """Register an adapter as a new version, unpublished; adding it again changes nothing.

        Its files are copied. A process that is killed in between leaves nothing that is listed.

        Raises:
            ArtefactError: The folder holds no LoRA adapter as safetensors, or the registry's
                cannot be written.
            InvalidInputError: A value cannot be stored.
        """
        check_layout(trained.folder)
        manifest = _manifest(trained, origin)
        version = manifest.version
        path = self._path(version)
        new = NewAdapter(
            version,
            origin.cluster,
            origin.base,
            Artefact(path, manifest.sha256, len(manifest.content)),
            _told(manifest),
        )
        files: dict[str, Path | bytes] = {
            CONFIG: trained.folder / CONFIG,
            WEIGHTS: trained.folder / WEIGHTS,
            MANIFEST: manifest.content,
        }
        with self._staging.changing(), self._staging.pending(version):
            if not self._sound(version, manifest.sha256):
                self._staging.put(version, files)
                verify_folder(self._root / self._place / version, sha256=manifest.sha256)
            self._rows.save_adapter(new, users=origin.users)
        return self._rows.adapter(version)

    def versions(self, cluster: str | None = None) -> tuple[AdapterRow, ...]:
        """Return every version, or those of one cluster, oldest first; no file is read."""
        return self._rows.adapters(cluster)

    def find(self, version: str) -> AdapterRow:
        """Return one version.

        Raises:
            NotFoundError: There is none of that id.
        """
        return self._rows.adapter(version)

    def verify(self, version: str) -> AdapterManifest:
        """Return a version's manifest, once its files are what that says.

        Raises:
            NotFoundError: There is none of that id.
            ArtefactError: The files cannot be trusted; the message says which and why.
        """
        return self._verified(self._rows.adapter(version))[1]

    def open(self, version: str, *, base: str) -> Path:
        """Return the folder of a verified version, for a generator on a base model.

        Raises:
            NotFoundError: There is none of that id.
            ArtefactError: It was trained on another base, or its files cannot be trusted.
        """
        row = self._rows.adapter(version)
        if row.base != base:
            raise ArtefactError(
                f"adapter {version!r} was trained on base {row.base!r}, the generator is {base!r}",
                remedy="train an adapter on this generator, or use the generator that it is for",
            )
        return self._verified(row)[0]

    def publish(self, version: str) -> None:
        """Put a version to use for its cluster and base, in place of the one before.

        Raises:
            NotFoundError: There is none of that id.
            ArtefactError: Its files cannot be trusted; what was published stays so.
        """
        self.verify(version)
        self._rows.publish_adapter(version)
        self._changed()

    def unpublish(self, version: str) -> None:
        """Take a version out of use; the base model serves its cluster then.

        Raises:
            NotFoundError: There is none of that id.
        """
        self._rows.unpublish_adapter(version)
        self._changed()

    def rollback(self, cluster: str, *, base: str | None = None) -> AdapterRow:
        """Put to use again what was published for a cluster before, and return it.

        The last publication is undone: rolling back again goes one further back.

        Args:
            cluster: Lasting name of the cluster.
            base: Which base model's; may be omitted where adapters of one base are published.

        Raises:
            NotFoundError: None is published for the cluster, or none was before.
            ConflictError: Adapters on several bases are published and none is named.
            ArtefactError: The version before cannot be trusted; nothing is changed.
        """
        now = [
            row
            for row in self._rows.adapters(cluster)
            if row.published and base in (None, row.base)
        ]
        if not now:
            raise NotFoundError(
                f"no adapter of cluster {cluster!r} is published", remedy="publish a version"
            )
        if len(now) > 1:
            raise ConflictError(
                f"cluster {cluster!r} has adapters on bases {', '.join(r.base for r in now)}",
                remedy="name the base",
            )
        before = self._rows.roll_back_adapter(now[0].version, check=self._verified)
        self._changed()
        return self._rows.adapter(before)

    def delete(self, version: str, *, force: bool = False) -> None:
        """Delete a version: its rows, then its files. Replies that grow with it are finished.

        Raises:
            NotFoundError: There is none of that id.
            ConflictError: It is published, and ``force`` is not set.
        """
        self._path(version)
        with self._staging.changing(), self._staging.pending(version):
            self._rows.delete_adapter(version, force=force)
        self._changed()

    def export(self, version: str, target: Path, *, base_model: str) -> Path:
        """Write a verified version as multi-LoRA servers expect it; see `export_adapter`.

        Raises:
            NotFoundError: There is none of that id.
            ArtefactError: Its files cannot be trusted, or the target cannot be written.
        """
        source, _ = self._verified(self._rows.adapter(version))
        return export_adapter(source, target / version, base_model=base_model)

    def _verified(self, row: AdapterRow) -> tuple[Path, AdapterManifest]:
        if row.artefact != self._path(row.version):
            raise ArtefactError(
                f"adapter {row.version!r} points to {row.artefact!r}, which is outside the registry"
            )
        for folder in (self._root / self._place, self._root / self._place / row.version):
            if folder.is_symlink():
                raise ArtefactError(f"{folder} is a link, which may lead outside the registry")
        manifest = verify_folder(folder, sha256=row.sha256)
        for what in ("version", "cluster", "base"):
            said, stored = getattr(manifest, what), getattr(row, what)
            if said != stored:
                raise ArtefactError(
                    f"the manifest of adapter {row.version!r} has {what} {said!r}, its row "
                    f"{stored!r}"
                )
        return folder, manifest

    def _sound(self, version: str, sha256: str) -> bool:
        """Return whether a version's files are there already; readers of them are not disturbed."""
        try:
            verify_folder(self._root / self._place / version, sha256=sha256)
        except ArtefactError:
            return False
        return True

    def _path(self, version: str) -> str:
        """Return where a version's manifest stands, relative to the registry's folder."""
        if not _VERSION.fullmatch(version):
            raise InvalidInputError(
                f"version is {version!r}, expected 16 hexadecimal digits: it names no folder "
                "of the registry"
            )
        return f"{self._place}/{version}/{MANIFEST}"

    def _known(self, version: str) -> bool:
        try:
            self._rows.adapter(version)
        except NotFoundError:
            return False
        return True


def _manifest(trained: TrainedAdapter, origin: Origin) -> AdapterManifest:
    for what in ("metrics", "seeds"):
        check_json(what, dict(getattr(origin, what)))
    check_json("settings", dict(trained.settings))
    check_json("figures", dict(trained.figures))
    return AdapterManifest(
        cluster=origin.cluster,
        base=origin.base,
        trainer=origin.trainer,
        files={name: file_sha256(trained.folder / name) for name in (CONFIG, WEIGHTS)},
        size=(trained.folder / WEIGHTS).stat().st_size,
        data=origin.data,
        metrics=origin.metrics,
        seeds=origin.seeds,
        settings={"trainer": trained.settings, "figures": trained.figures},
        code=origin.code or _code_version(),
    )


def _code_version() -> str:
    from importlib.metadata import version  # slow to import

    return version("persona-engine")


def _told(manifest: AdapterManifest) -> Json:
    """Return what lists show of a version without reading its files."""
    return {
        "trainer": manifest.trainer,
        "metrics": manifest.metrics,
        "seeds": manifest.seeds,
        "data": manifest.data,
        "size": manifest.size,
        "code": manifest.code,
    }
