"""The file of one index: manifest and vectors in one, replaced as a whole or not at all.

Layout: magic, length of the header (8 bytes, little-endian), header (JSON: the manifest), and the
body: length of the keys (8 bytes), keys (JSON), and the vectors as their backend writes them. The
checksum covers the header's other fields and the body, and is checked before anything is parsed.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Literal

from persona_engine.errors import ArtefactError
from persona_engine.index.backends import BackendName

Kind = Literal["users", "instructions"]
FORMAT = 1
_MAGIC = b"persona-index\n"
_LENGTH = 8
_LONGEST_HEADER = 1 << 20


@dataclass(frozen=True, slots=True)
class Manifest:
    """What an index file says of itself.

    Args:
        tenant: Whose vectors it holds.
        kind: What the vectors stand for.
        fingerprint: Feature space of the vectors.
        generation: State of the SQL data that it was built from, as the store names it.
        count: Number of vectors.
        width: Their length.
        backend: What wrote the vectors and can read them.
        sha256: Over all of the above and the body.
        format: Version of the layout.
    """

    tenant: str
    kind: Kind
    fingerprint: str
    generation: str
    count: int
    width: int
    backend: BackendName
    sha256: str = ""
    format: int = FORMAT


@dataclass(frozen=True, slots=True)
class IndexFile:
    """A file as read and verified: its manifest, keys and the backend's bytes."""

    manifest: Manifest
    keys: tuple[str, ...]
    payload: bytes


def index_path(folder: Path, *, tenant: str, kind: Kind) -> Path:
    """Return the file of a tenant; names are hashed, so none can leave the folder or collide.

    Examples:
        >>> index_path(Path("i"), tenant="../etc", kind="users").as_posix()
        'i/f7f9121fdb53d8de1eccbfa65c4bd976/users.index'
    """
    digest = hashlib.sha256(tenant.encode("utf-8", "surrogatepass")).hexdigest()
    return folder / digest[:32] / f"{kind}.index"


def pack(manifest: Manifest, keys: Sequence[str], payload: bytes) -> bytes:
    """Return the bytes of a file, with the checksum filled in."""
    named = json.dumps(list(keys)).encode()
    body = len(named).to_bytes(_LENGTH, "little") + named + payload
    header = json.dumps(asdict(replace(manifest, sha256=_checksum(manifest, body)))).encode()
    return _MAGIC + len(header).to_bytes(_LENGTH, "little") + header + body


def unpack(content: bytes) -> IndexFile:
    """Read what `pack` wrote.

    Raises:
        ArtefactError: It is damaged, cut short, or something else.
    """
    manifest, body = _split(content)
    if _checksum(manifest, body) != manifest.sha256:
        raise ArtefactError("index does not match its checksum")
    length = int.from_bytes(body[:_LENGTH], "little")
    keys = json.loads(body[_LENGTH : _LENGTH + length])
    if len(keys) != manifest.count:
        raise ArtefactError(f"index names {len(keys)} keys, its manifest {manifest.count}")
    return IndexFile(manifest, tuple(keys), body[_LENGTH + length :])


def _split(content: bytes) -> tuple[Manifest, bytes]:
    """Return manifest and body, neither verified yet."""
    start = len(_MAGIC) + _LENGTH
    length = int.from_bytes(content[len(_MAGIC) : start], "little")
    if content[: len(_MAGIC)] != _MAGIC or length > _LONGEST_HEADER:
        raise ArtefactError("file is not an index")
    try:
        header = json.loads(content[start : start + length])
        wanted = {field.name: header[field.name] for field in fields(Manifest)}
    except (ValueError, KeyError, TypeError) as error:
        raise ArtefactError("index has a damaged manifest") from error
    if wanted["format"] != FORMAT:
        raise ArtefactError(f"index has format {wanted['format']!r}, expected {FORMAT}")
    return Manifest(**wanted), content[start + length :]


def _checksum(manifest: Manifest, body: bytes) -> str:
    """Return the sha256 of manifest, without its own, and body."""
    digest = hashlib.sha256(json.dumps(asdict(replace(manifest, sha256=""))).encode())
    digest.update(body)
    return digest.hexdigest()


def write_atomically(path: Path, content: bytes) -> None:
    """Replace the file: a reader sees the old or the new one, also after a power cut.

    Temporary files of writers that died are removed first, for they hold vectors too. Call it
    under the lock.
    """
    sweep(path)
    descriptor, name = tempfile.mkstemp(prefix=f"{path.name}.tmp-", dir=path.parent)
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def delete(path: Path) -> None:
    """Remove the file and what dead writers left beside it. Call it under the lock."""
    sweep(path)
    path.unlink(missing_ok=True)
    _sync_folder(path.parent)


def sweep(path: Path) -> None:
    """Remove temporary files of writers that died. Call it under the lock."""
    for orphan in path.parent.glob(f"{path.name}.tmp-*"):
        orphan.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    """Make a rename or removal durable, where the system lets folders be opened."""
    if not hasattr(os, "O_DIRECTORY"):
        return
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
