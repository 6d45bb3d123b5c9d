"""What is taken as evidence, what is refused, and what is left of a file once it is kept."""

import io
import os
import stat
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection
from PIL import Image
from pytest_django import Settings

from billing_site.checks import evidence_is_private
from clinics.models import Clinic, User
from disputes.evidence import images, storage
from disputes.evidence.rules import KINDS, MOST_BYTES, REFUSALS, Refused
from disputes.evidence.storage import (
    EvidenceRefused,
    judge,
    keep,
    path_of,
    preview_path_of,
    remove_orphans,
)
from disputes.evidence.worker import clean
from disputes.models import Evidence
from disputes.services import filing
from leads.models import Lead
from tests import factories
from tests.disputes import hostile_files as hostile
from tests.disputes.hostile_files import FILES, NAMES, HostileFile
from tests.disputes.portal import SAID, photo

pytestmark = pytest.mark.usefixtures("evidence_folder")


def upload(file: HostileFile) -> Any:
    return photo(file.name, file.build())


def test_the_corpus_is_large_and_knows_every_verdict() -> None:
    assert len(FILES) >= 100
    assert {file.verdict for file in FILES} >= set(KINDS) | (
        set(REFUSALS) - {"too_complicated", "unsafe", "not_checked"}
    )
    assert len({file.name for file in FILES}) == len(FILES)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_each_file_gets_its_verdict_and_what_is_kept_tells_nothing(file: HostileFile) -> None:
    if file.verdict in REFUSALS:
        with pytest.raises(Refused, match=f"^{file.verdict}$"):
            clean(file.build())
        return

    kept = clean(file.build())

    assert kept.kind == file.verdict
    assert 0 < len(kept.content) <= MOST_BYTES
    for trace in (hostile.SECRET, b"<?php", b"<script", b"alert(1)", b"PK\x03\x04", b"GPS"):
        assert trace not in kept.content
    if kept.kind != "pdf":
        assert_nothing_but_a_picture(kept.content)


def assert_nothing_but_a_picture(content: bytes) -> None:
    """No EXIF, no comment, no profile, no text, one frame, and the file ends where the picture does."""
    with Image.open(io.BytesIO(content)) as image:
        image.load()
        assert not image.getexif()
        assert not {"exif", "comment", "icc_profile", "xmp", "Author", "XML:com.adobe.xmp"} & set(image.info)
        assert getattr(image, "n_frames", 1) == 1
    ends = {"JPEG": b"\xff\xd9", "PNG": b"IEND\xaeB`\x82"}
    if image.format == "WEBP":
        assert int.from_bytes(content[4:8], "little") + 8 == len(content)
    else:
        assert content.endswith(ends[str(image.format)])


def test_a_photo_stands_upright_without_its_exif() -> None:
    kept = clean(hostile.with_exif())

    with Image.open(io.BytesIO(kept.content)) as image:
        assert image.size == (48, 64)


def test_of_a_cameras_pair_the_first_picture_is_kept() -> None:
    with Image.open(io.BytesIO(clean(hostile.camera_pair()).content)) as image:
        assert image.getpixel((0, 0))[0] > 200  # type: ignore[index]


def test_sixteen_bits_become_eight_without_turning_white() -> None:
    sheet = io.BytesIO()
    Image.new("I;16", (9, 9), 0x8000).save(sheet, "PNG")

    with Image.open(io.BytesIO(clean(sheet.getvalue()).content)) as image:
        assert image.getpixel((0, 0)) == 0x80


def test_what_would_not_fit_is_made_smaller_until_it_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images, "MOST_BYTES", 100_000)

    kept = clean(hostile.noise("PNG", (600, 500)))

    assert len(kept.content) <= 100_000
    with Image.open(io.BytesIO(kept.content)) as image:
        assert 150 < image.width < 600


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_a_large_photo_is_kept_smaller_and_upright(monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    monkeypatch.setattr(images, "KEPT_PIXELS", 3000)

    kept = clean(hostile.with_exif(kind=kind, size=(640, 480)))

    with Image.open(io.BytesIO(kept.content)) as image:
        assert 2000 < image.width * image.height <= 3000
        assert image.width < image.height


class TestTheProcess:
    """The real one, with its limits: what happens in it stays in it."""

    def test_it_judges_a_whole_corpus_as_its_parts_are_judged(self, tmp_path: Path) -> None:
        few = FILES[::6]
        paths = [tmp_path / f"sent-{number}" for number in range(len(few))]
        for path, file in zip(paths, few, strict=True):
            path.write_bytes(file.build())

        answers = judge(paths, tmp_path)

        assert [value for _, value in answers] == [file.verdict for file in few]

    def test_a_file_that_ends_the_process_is_refused_and_so_are_those_behind_it(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        sent = tmp_path / "sent"
        sent.write_bytes(hostile.picture())
        os.mkfifo(tmp_path / "never-ends")
        monkeypatch.setattr(storage, "WALL_SECONDS", 2)

        answers = judge([sent, tmp_path / "never-ends", sent], tmp_path)

        assert answers == [
            ("kind", "jpeg"),
            ("refused", "too_complicated"),
            ("refused", "too_complicated"),
        ]
        assert "file 2 of 3" in caplog.text

    def test_it_gets_no_secret_and_little_memory(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        seen: dict[str, Any] = {}
        run = subprocess.run
        monkeypatch.setattr(subprocess, "run", lambda *args, **more: seen.update(more) or run(*args, **more))

        judge([], tmp_path)

        assert not {"SECRET_KEY", "DATABASE_URL", "RAZORPAY_KEY_SECRET"} & set(seen["env"])


class TestKeeping:
    def test_files_lie_under_random_names_for_this_user_alone(self, evidence_folder: Path) -> None:
        kept = keep([photo("a.jpg"), photo("b.pdf", hostile.pdf())])

        picture, paper = (one.stored_name for one in kept)
        names = {picture, f"{picture}.preview", paper}
        assert {path.name for path in evidence_folder.iterdir()} == names
        assert stat.S_IMODE(preview_path_of(picture).stat().st_mode) == 0o600
        assert stat.S_IMODE(evidence_folder.stat().st_mode) == 0o700
        for one in kept:
            assert stat.S_IMODE(path_of(one.stored_name).stat().st_mode) == 0o600
            assert path_of(one.stored_name).stat().st_size == one.byte_size

    def test_one_bad_file_keeps_none_of_them(self, evidence_folder: Path) -> None:
        with pytest.raises(EvidenceRefused) as refused:
            keep([photo(), photo("x.jpg", hostile.HTML), photo("y.jpg", b"")])

        assert refused.value.refusals == {1: "unknown_type", 2: "empty"}
        assert list(evidence_folder.iterdir()) == []

    def test_a_scanner_is_asked_and_believed(self, settings: Settings, evidence_folder: Path) -> None:
        settings.EVIDENCE_SCANNER = "tests.disputes.scanners.says_no"
        with pytest.raises(EvidenceRefused, match="unsafe"):
            keep([photo()])
        settings.EVIDENCE_SCANNER = "tests.disputes.scanners.breaks"
        with pytest.raises(EvidenceRefused, match="not_checked"):
            keep([photo()])
        settings.EVIDENCE_SCANNER = "tests.disputes.scanners.says_yes"

        assert len(keep([photo()])) == 1
        assert len(list(evidence_folder.iterdir())) == 2  # with its preview


@pytest.mark.django_db
class TestFilesAndRows:
    @pytest.fixture
    def lead(self, funded_clinic: Clinic) -> Lead:
        return factories.deliver(funded_clinic, price=7000)

    def test_a_transaction_that_fails_leaves_no_file(
        self, lead: Lead, owner: User, evidence_folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fails(*_: object, **__: object) -> None:
            raise RuntimeError("disk full")

        monkeypatch.setattr(filing, "_attach", fails)

        with pytest.raises(RuntimeError):
            filing.file_dispute(
                sent=filing.Sent(lead.clinic, owner, [photo()], "key"),
                lead=lead,
                dispute_type="spam",
                description=SAID,
            )

        assert list(evidence_folder.iterdir()) == []
        assert not lead.disputes.exists()

    @pytest.mark.parametrize("sent", NAMES)
    def test_no_name_is_kept_that_could_act_mislead_or_tell(
        self, lead: Lead, owner: User, evidence_folder: Path, sent: str
    ) -> None:
        files = [photo(), photo()]
        files[1]._name = sent  # type: ignore[attr-defined]  # as it came, before Django cut its path off

        filing.file_dispute(
            sent=filing.Sent(lead.clinic, owner, files), lead=lead, dispute_type="spam", description=SAID
        )

        shown = Evidence.objects.order_by("position").values_list("original_name", flat=True)
        assert list(shown) == ["evidence-1.jpg", "evidence-2.jpg"]

    def test_files_are_written_before_the_transaction_begins(
        self, lead: Lead, owner: User, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        depth: list[int] = []

        def keep_and_look(files: Any) -> list[storage.KeptFile]:
            depth.append(len(connection.savepoint_ids))
            return keep(files)

        monkeypatch.setattr(storage, "keep", keep_and_look)
        before = len(connection.savepoint_ids)

        filing.file_dispute(
            sent=filing.Sent(lead.clinic, owner, [photo()]), lead=lead, dispute_type="spam", description=SAID
        )

        assert depth == [before]

    def test_orphans_go_after_a_day_and_evidence_stays(
        self, lead: Lead, owner: User, evidence_folder: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        filing.file_dispute(
            sent=filing.Sent(lead.clinic, owner, [photo()]), lead=lead, dispute_type="spam", description=SAID
        )
        kept = Evidence.objects.get().stored_name
        (old,), (young,) = keep([photo()]), keep([photo()])
        (evidence_folder / "incoming-left").mkdir()
        yesterday = time.time() - storage.ORPHANS_KEPT_SECONDS - 60
        for name in (kept, old.stored_name, "incoming-left"):
            os.utime(evidence_folder / name, (yesterday, yesterday))

        call_command("forget_old_data")

        left = {kept, young.stored_name}
        assert {path.name for path in evidence_folder.iterdir()} == left | {
            f"{name}.preview" for name in left
        }
        assert "1 files without a dispute" in capsys.readouterr().out
        assert remove_orphans() == 0


@pytest.mark.parametrize(
    ("debug", "value", "found"),
    [
        ("on", "", []),
        ("off", "", ["EVIDENCE_DIR is not set"]),
        ("off", "evidence", ["EVIDENCE_DIR is not an absolute path"]),
        ("off", "{static}/evidence", ["EVIDENCE_DIR lies below a folder that is handed out to everybody"]),
        (
            "off",
            "{static}/../staticfiles",
            ["EVIDENCE_DIR lies below a folder that is handed out to everybody"],
        ),
        ("off", "/srv/clinic-credits/evidence", []),
    ],
)
def test_without_debug_the_folder_is_chosen_and_private(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, debug: str, value: str, found: list[str]
) -> None:
    path = value.format(static=settings.STATIC_ROOT)
    monkeypatch.setenv("DEBUG", debug)
    monkeypatch.setenv("EVIDENCE_DIR", path)
    settings.EVIDENCE_DIR = Path(path or settings.BASE_DIR / ".evidence")

    assert [message.msg for message in evidence_is_private(None)] == found
