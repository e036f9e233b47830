"""The file of one index: manifest, keys and vectors in one, replaced as a whole or not at all.

Layout: magic, length of the header (8 bytes, little-endian), header (JSON: the manifest, padded),
body (the keys, then the vectors as their backend writes them), and the sha256 of each mebibyte of
the body. The manifest's checksum covers its other fields and those hashes; everything is checked
before anything is parsed. The file is mapped into memory, not copied. Erasing somebody overwrites
their key and vector where they lie, and what that changes of the hashes; only the names and the
blocks that it touches are checked before (`open_keys`). Forgetting one of a million costs
milliseconds, and whoever has the file mapped sees it at once.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Literal

import numpy as np

from persona_engine.errors import ArtefactError
from persona_engine.index.backends import BackendName, Hole
from persona_engine.index.blocks import Blocks, Buffer, Bytes, hashes_of, touched
from persona_engine.index.keys import KeyTable
from persona_engine.index.kinds import IndexKind

Kind = Literal["users", "traits"]
FORMAT = 2
_MAGIC = b"persona-index\n"
_LENGTH = 8
_LONGEST_HEADER = 1 << 20
_PADDING = 256


@dataclass(frozen=True, slots=True)
class Manifest:
    """What an index file says of itself.

    Args:
        tenant: Whose vectors it holds.
        kind: What the vectors stand for.
        fingerprint: Feature space of the vectors.
        generation: State of the SQL data that it was built from, as the store names it.
        count: Number of vectors, erased ones too.
        width: Their length.
        backend: What wrote the vectors and can read them.
        index: How they are searched.
        effort: Lists that a search looks through, or candidates that it keeps; 0 for all.
        recall: Share of the ten nearest that was found when it was built.
        built_at: When, in seconds since 1970.
        erased: How many vectors were erased since.
        length: Of the body, in bytes.
        sha256: Over all of the above and the hashes of the body.
        format: Version of the layout.
    """

    tenant: str
    kind: Kind
    fingerprint: str
    generation: str
    count: int
    width: int
    backend: BackendName
    index: IndexKind = "flat"
    effort: int = 0
    recall: float = 1.0
    built_at: float = 0.0
    erased: int = 0
    length: int = 0
    sha256: str = ""
    format: int = FORMAT


@dataclass(frozen=True, slots=True)
class IndexFile:
    """A file as mapped: its manifest, keys and the backend's bytes.

    Args:
        manifest: What it says of itself.
        keys: The names, which lie at the start of the body.
        payload: The backend's bytes, which are the rest of it.
        body: Where the body begins in the file.
        blocks: The body, and what its hashes have to be.
    """

    manifest: Manifest
    keys: KeyTable
    payload: Bytes
    body: int
    blocks: Blocks

    def require(self, begin: int, end: int) -> None:
        """Raise `ArtefactError` unless these bytes of the payload are as they were written."""
        start = self.manifest.length - len(self.payload)
        self.blocks.require(start + begin, start + end)


def index_path(folder: Path, *, tenant: str, kind: Kind) -> Path:
    """Return the file of a tenant; names are hashed, so none can leave the folder or collide.

    Examples:
        >>> index_path(Path("i"), tenant="../etc", kind="users").as_posix()
        'i/f7f9121fdb53d8de1eccbfa65c4bd976/users.index'
    """
    digest = hashlib.sha256(tenant.encode("utf-8", "surrogatepass")).hexdigest()
    return folder / digest[:32] / f"{kind}.index"


def pack(manifest: Manifest, keys: KeyTable, payload: Buffer) -> Iterator[Buffer]:
    """Yield the pieces of a file, with lengths and checksums filled in."""
    body = (*keys.buffers(), payload)
    length = sum(len(each) for each in body)
    hashes = b"".join(hashes_of(body))
    described = replace(manifest, length=length)
    header = _header(replace(described, sha256=_checksum(described, hashes)))
    yield _MAGIC + len(header).to_bytes(_LENGTH, "little") + header
    yield from body
    yield hashes


def read(path: Path) -> IndexFile:
    """Map a file and check all of it.

    Raises:
        FileNotFoundError: There is none.
        ArtefactError: It is damaged, cut short, or something else.
    """
    file = open_keys(path)
    file.blocks.require(0, file.manifest.length)
    return file


def open_keys(path: Path) -> IndexFile:
    """Map a file and check what it says of itself, its hashes and its keys, but not its vectors.

    Raises:
        FileNotFoundError: There is none.
        ArtefactError: What was checked is damaged, cut short, or something else.
    """
    if not path.stat().st_size:
        raise ArtefactError("file is not an index")
    content = np.asarray(np.memmap(path, np.uint8, "r"))  # whose slices cost a fifth of a memmap's
    manifest, start = _manifest(content)
    blocks = Blocks(content[start : start + manifest.length], content[start + manifest.length :])
    if _checksum(manifest, blocks.hashes.tobytes()) != manifest.sha256:
        raise ArtefactError("index does not match its checksum")
    blocks.require(0, KeyTable.where_it_ends(manifest.count))
    keys, length = KeyTable.read(blocks.body, manifest.count)
    blocks.require(0, length)
    return IndexFile(manifest, keys, blocks.body[length:], start, blocks)


def erase(path: Path, file: IndexFile, rows: Sequence[int], holes: Sequence[Hole]) -> None:
    """Overwrite keys and vectors where they lie, and make it durable. Call it under the lock.

    A reader that comes meanwhile finds the file damaged, and builds it again.

    Args:
        path: The file that was opened.
        file: As it was opened.
        rows: Whose keys.
        holes: What of the payload.

    Raises:
        ArtefactError: What is to be overwritten was damaged before, which new hashes would hide.
    """
    start = file.manifest.length - len(file.payload)
    gaps = [Hole(*file.keys.span(row), 0) for row in rows]
    gaps += [Hole(start + hole.offset, hole.length, hole.fill) for hole in holes]
    for gap in gaps:
        file.blocks.require(gap.offset, gap.end)
    hashes = np.array(file.blocks.hashes)
    with path.open("r+b") as stream:
        for gap in gaps:
            stream.seek(file.body + gap.offset)
            stream.write(bytes([gap.fill]) * gap.length)
        stream.flush()  # so that it shows in what is mapped
        for block in touched((gap.offset, gap.end) for gap in gaps):
            hashes[block] = np.frombuffer(file.blocks.hash_of(block), np.uint8)
        stream.seek(file.body + file.manifest.length)
        stream.write(hashes.tobytes())
        changed = replace(file.manifest, erased=file.manifest.erased + len(rows))
        header = _header(replace(changed, sha256=_checksum(changed, hashes.tobytes())))
        stream.seek(len(_MAGIC) + _LENGTH)
        stream.write(header.ljust(file.body - len(_MAGIC) - _LENGTH))
        stream.flush()
        os.fsync(stream.fileno())


def _header(manifest: Manifest) -> bytes:
    """Return the manifest as JSON, with room for what erasing changes."""
    plain = json.dumps(asdict(manifest)).encode()
    return plain.ljust(-(-(len(plain) + 16) // _PADDING) * _PADDING)


def _manifest(content: Bytes) -> tuple[Manifest, int]:
    """Return the manifest, not verified yet, and where the body begins."""
    start = len(_MAGIC) + _LENGTH
    length = int.from_bytes(content[len(_MAGIC) : start].tobytes(), "little")
    if content[: len(_MAGIC)].tobytes() != _MAGIC or length > _LONGEST_HEADER:
        raise ArtefactError("file is not an index")
    try:
        header = json.loads(content[start : start + length].tobytes())
        if header["format"] != FORMAT:
            raise ArtefactError(f"index has format {header['format']!r}, expected {FORMAT}")
        manifest = Manifest(**{field.name: header[field.name] for field in fields(Manifest)})
    except (ValueError, KeyError, TypeError) as error:
        raise ArtefactError("index has a damaged manifest") from error
    if type(manifest.length) is not int or type(manifest.count) is not int or manifest.count < 0:
        raise ArtefactError("index has a damaged manifest")
    return manifest, start + length


def _checksum(manifest: Manifest, hashes: bytes) -> str:
    """Return the sha256 of manifest, without its own, and the hashes of the body."""
    digest = hashlib.sha256(json.dumps(asdict(replace(manifest, sha256=""))).encode())
    digest.update(hashes)
    return digest.hexdigest()


def write_atomically(path: Path, content: Iterator[Buffer]) -> None:
    """Replace the file: a reader sees the old or the new one, also after a power cut.

    Temporary files of writers that died are removed first, for they hold vectors too. Call it
    under the lock.
    """
    sweep(path)
    descriptor, name = tempfile.mkstemp(prefix=f"{path.name}.tmp-", dir=path.parent)
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            for piece in content:
                stream.write(piece)
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
