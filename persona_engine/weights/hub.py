"""The second source: the Hugging Face hub, through its own cache.

huggingface_hub fetches into the cache that it shares with other tools and resumes what was
interrupted. From there the large file is linked, so that it takes no space twice.
"""

from __future__ import annotations

import json
import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from persona_engine.errors import WeightsError
from persona_engine.interfaces import Progress
from persona_engine.weights.known import HubSource
from persona_engine.weights.manifest import file_sha256
from persona_engine.weights.reporting import folder_bytes, report_bytes

_CONNECT_SECONDS = 5.0
_ANSWER_SECONDS = 8.0


def fetch_hub(source: HubSource, target: Path, *, download: bool, progress: Progress) -> None:
    """Fill an empty folder from the hub or its local cache.

    Args:
        source: What to fetch.
        target: Receives the model's files.
        download: Whether the network may be used; ``HF_HUB_OFFLINE`` forbids it too.
        progress: Called with bytes.

    Raises:
        WeightsError: When the hub cannot be reached (known within ten seconds), refuses, or
            gives another file than the pinned one.
    """
    snapshot = _cached(source)
    if snapshot is None:
        snapshot = _download(source, download, progress)
    digest = file_sha256(snapshot / "model.safetensors")
    if digest != source.model_sha256:
        raise WeightsError(
            f"model.safetensors has SHA-256 {digest}, expected {source.model_sha256}"
        )
    for name in source.files:
        _place(snapshot / name, target / name)
    if source.tokenizer_class is not None:
        _set_tokenizer_class(target / "tokenizer_config.json", source.tokenizer_class)


def _cached(source: HubSource) -> Path | None:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    try:
        found = snapshot_download(
            source.repo,
            revision=source.revision,
            allow_patterns=list(source.files),
            local_files_only=True,
        )
    except LocalEntryNotFoundError:
        return None
    folder = Path(found)
    return folder if all((folder / name).is_file() for name in source.files) else None


def _download(source: HubSource, download: bool, progress: Progress) -> Path:
    from huggingface_hub import constants, snapshot_download
    from huggingface_hub.file_download import repo_folder_name

    if not download:
        raise WeightsError("not in its cache, and downloading is switched off")
    if constants.HF_HUB_OFFLINE:
        raise WeightsError("not in its cache, and HF_HUB_OFFLINE is set")
    _require_answer(source)
    repo = repo_folder_name(repo_id=source.repo, repo_type="model")
    arriving = Path(constants.HF_HUB_CACHE) / repo / "blobs"
    what = f"{source.repo} from the Hugging Face hub"
    try:
        with (
            _without_bars(),
            report_bytes(progress, what, source.size, lambda: folder_bytes(arriving)),
        ):
            return Path(
                snapshot_download(
                    source.repo, revision=source.revision, allow_patterns=list(source.files)
                )
            )
    except Exception as error:  # its HTTP library's errors have no common base but this
        raise WeightsError(_one_line(error)) from error


def _require_answer(source: HubSource) -> None:
    """Ask the hub once, with a limit: its client alone would retry for half a minute."""
    from huggingface_hub import constants, get_session

    url = f"{constants.ENDPOINT}/api/models/{source.repo}/revision/{source.revision}"
    outcome: list[str | None] = []

    def ask() -> None:
        try:
            status = get_session().get(url, timeout=_CONNECT_SECONDS).status_code
            outcome.append(None if status < 400 else f"{url} answers {status}")
        except Exception as error:
            outcome.append(f"{constants.ENDPOINT} cannot be reached ({_one_line(error)})")

    # A thread, because looking up a host name knows no time limit.
    asking = threading.Thread(target=ask, daemon=True, name="persona-weights-hub")
    asking.start()
    asking.join(_ANSWER_SECONDS)
    problem = (
        outcome[0] if outcome else f"{constants.ENDPOINT} gave no answer in {_ANSWER_SECONDS:g} s"
    )
    if problem is not None:
        raise WeightsError(problem)


@contextmanager
def _without_bars() -> Iterator[None]:
    """Keep huggingface_hub from drawing its own bars beside the caller's."""
    from huggingface_hub.utils.tqdm import (
        are_progress_bars_disabled,
        disable_progress_bars,
        enable_progress_bars,
    )

    if are_progress_bars_disabled():
        yield
        return
    disable_progress_bars()
    try:
        yield
    finally:
        enable_progress_bars()


def _place(origin: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if origin.suffix == ".safetensors":
        try:
            os.link(origin.resolve(), target)
        except OSError:
            shutil.copyfile(origin, target)
    else:
        shutil.copyfile(origin, target)


def _set_tokenizer_class(path: Path, name: str) -> None:
    content = json.loads(path.read_text(encoding="utf-8"))
    content["tokenizer_class"] = name
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:300] or type(error).__name__
