"""Where evidence lies: a folder of its own, outside every folder a web server hands out, under random names."""

import hashlib
import json
import logging
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

from django.conf import settings
from django.core.files.uploadedfile import UploadedFile
from django.utils.module_loading import import_string

from disputes.evidence.rules import KINDS, MOST_BYTES, PREVIEW
from disputes.models import Evidence

Upload: TypeAlias = "UploadedFile[bytes]"
logger = logging.getLogger(__name__)
WALL_SECONDS: Final = 25
ORPHANS_KEPT_SECONDS: Final = 24 * 3600
WORK_FOLDER: Final = "incoming-"
BATCH: Final = 1000


class EvidenceRefused(Exception):
    """A file is not taken: `refusals` holds, by position, the code of each one that is not (see `rules.REFUSALS`)."""

    def __init__(self, refusals: dict[int, str]) -> None:
        super().__init__(", ".join(refusals.values()))
        self.refusals = refusals


@dataclass(frozen=True, slots=True)
class KeptFile:
    """A clean file in its place, for `Evidence` to point at."""

    stored_name: str
    media_type: str
    byte_size: int
    sha256: str


def shown_name(stored_name: str, position: int) -> str:
    """What people read and save. Never the sender's own name: photos of chats are called like the patient."""
    return f"evidence-{position}{Path(stored_name).suffix}"


def path_of(stored_name: str) -> Path:
    return folder() / stored_name


def preview_path_of(stored_name: str) -> Path:
    """Where a picture's small JPEG lies; there is none of a PDF, nor of what came before previews were drawn."""
    return folder() / f"{stored_name}{PREVIEW}"


def folder() -> Path:
    """The folder, made at its first use for this user alone."""
    path = Path(settings.EVIDENCE_DIR)
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    return path


def keep(files: Sequence[Upload]) -> list[KeptFile]:
    """Looks at the files, cleans and stores them, all or none. Never inside a transaction. Raises EvidenceRefused."""
    if not files:
        return []
    with tempfile.TemporaryDirectory(prefix=WORK_FOLDER, dir=folder()) as work:
        incoming = [_written(file, Path(work) / f"sent-{position}") for position, file in enumerate(files)]
        answers = judge(incoming, Path(work))
        refusals = {position: answer[1] for position, answer in enumerate(answers) if answer[0] == "refused"}
        for position in range(len(files)):
            if position not in refusals and (found := scanned(Path(work) / str(position))):
                refusals[position] = found
        if refusals:
            raise EvidenceRefused(refusals)
        kept: list[KeptFile] = []
        try:
            for position, answer in enumerate(answers):
                kept.append(_placed(Path(work) / str(position), answer[1]))
        except BaseException:
            remove(kept)
            raise
    return kept


def judge(paths: Sequence[Path], out: Path) -> list[tuple[str, str]]:
    """For each file ("kind", its kind) or ("refused", why), by a process of its own; clean ones are in `out`."""
    command = [sys.executable, "-m", "disputes.evidence.worker", str(out), *map(str, paths)]
    try:
        done = subprocess.run(  # noqa: S603  (no shell, and no word of the sender's in it)
            command,
            cwd=settings.BASE_DIR,
            env={"PYTHONDONTWRITEBYTECODE": "1"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=WALL_SECONDS,
            check=False,
        ).stdout
    except subprocess.TimeoutExpired as slow:
        done = slow.stdout or b""
    answers: list[tuple[str, str]] = []
    for line in done.splitlines():
        ((what, value),) = json.loads(line).items()
        answers.append((what, value))
    if len(answers) < len(paths):
        logger.warning(f"Evidence: looking at file {len(answers) + 1} of {len(paths)} did not end well")
    # The one that ended the process is at fault; those after it were not looked at.
    answers += [("refused", "too_complicated")] * (len(paths) - len(answers))
    return answers


def scanned(path: Path) -> str | None:
    """The refusal of the virus scanner, if one is set up: a callable, path -> whether the file is clean."""
    if not settings.EVIDENCE_SCANNER:
        return None
    try:
        return None if import_string(settings.EVIDENCE_SCANNER)(path) else "unsafe"
    except Exception:
        logger.exception("Evidence: the scanner failed")
        return "not_checked"


def remove(files: Iterable[KeptFile]) -> None:
    for file in files:
        _remove(file.stored_name)


def _remove(stored_name: str) -> None:
    path_of(stored_name).unlink(missing_ok=True)
    preview_path_of(stored_name).unlink(missing_ok=True)


def remove_orphans() -> int:
    """Files that no row points at, a day after they were written (a crash between the two); how many there were.
    Their previews go with them.
    """
    removed, old = 0, time.time() - ORPHANS_KEPT_SECONDS
    candidates = [path for path in folder().iterdir() if path.stat().st_mtime < old]
    for path in candidates:
        if path.is_dir() and path.name.startswith(WORK_FOLDER):
            shutil.rmtree(path, ignore_errors=True)
    # A preview alone counts too: a crash in the middle of a removal leaves one.
    names = sorted({path.name.removesuffix(PREVIEW) for path in candidates if path.is_file()})
    for start in range(0, len(names), BATCH):
        batch = names[start : start + BATCH]
        known = set(Evidence.objects.filter(stored_name__in=batch).values_list("stored_name", flat=True))
        for stored_name in set(batch) - known:
            _remove(stored_name)
            removed += 1
    return removed


def _written(file: Upload, path: Path) -> Path:
    """The upload in the work folder, at most one byte above what is taken: enough to say that it is too large."""
    left = MOST_BYTES + 1
    with path.open("wb") as target:
        for chunk in file.chunks():
            target.write(chunk[:left])
            left -= len(chunk[:left])
            if not left:
                break
    return path


def _placed(clean: Path, kind: str) -> KeptFile:
    media_type, extension = KINDS[kind]
    content = clean.read_bytes()
    stored_name = f"{secrets.token_hex(16)}.{extension}"
    preview = clean.with_name(f"{clean.name}{PREVIEW}")
    if preview.exists():
        _write(preview_path_of(stored_name), preview.read_bytes())
    _write(path_of(stored_name), content)
    return KeptFile(
        stored_name=stored_name,
        media_type=media_type,
        byte_size=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
    )


def _write(target: Path, content: bytes) -> None:
    """A new file, on the disk when this returns."""
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
