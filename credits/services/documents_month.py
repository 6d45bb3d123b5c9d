"""A month's papers in one archive: what an accountant asks a clinic for."""

from collections.abc import Iterable, Iterator
from datetime import date, datetime
from tempfile import SpooledTemporaryFile
from typing import IO, Final
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

from django.db.models import QuerySet
from django.utils.timezone import localdate, localtime
from django.utils.translation import gettext as _

from clinics.models import Clinic
from credits.models import TopUp
from credits.services.documents import Typeset, typesetting_for
from credits.services.documents_receipt import paid_top_ups, receipt_documents, with_movements
from credits.services.documents_statement import statement_document
from credits.services.statement_csv import leads_csv, statement_csv
from credits.services.statement_period import Period, Statement, month_of, read_statement

IN_MEMORY: Final = 4 * 1024 * 1024  # bytes; a longer archive goes to a temporary file
MOST_RECEIPTS: Final = 400

# A file's name in the archive, and its content piece by piece.
Part = tuple[str, Iterable[bytes]]


def month_pack(clinic: Clinic, month: date, as_of: datetime) -> IO[bytes]:
    """The archive of the month that begins on `month`, open at its start. Raises DocumentsBusy, DocumentFailed."""
    archive = SpooledTemporaryFile(max_size=IN_MEMORY)  # noqa: SIM115  (the response closes it)
    with typesetting_for(clinic) as typeset, ZipFile(archive, "w", ZIP_DEFLATED) as packed:
        for name, content in parts(clinic, month, as_of, typeset):
            with packed.open(_dated(name, as_of), "w") as file:
                for piece in content:
                    file.write(piece)
    archive.seek(0)
    return archive


def parts(clinic: Clinic, month: date, as_of: datetime, typeset: Typeset) -> Iterator[Part]:
    """What is in it. Tax documents (invoices, credit notes) of the month join here, as `tax/…`, once there are any."""
    statement = read_statement(clinic, Period(*month_of(month), as_of))
    receipts = receipts_of(statement)
    written, *set_receipts = typeset(
        [statement_document(statement, or_without_rows=True), *receipt_documents(clinic, receipts)]
    )
    yield f"statement-{month:%Y-%m}.pdf", [written]
    yield f"statement-{month:%Y-%m}.csv", statement_csv(statement)
    yield f"leads-{month:%Y-%m}.csv", leads_csv(statement)
    for top_up, receipt in zip(receipts, set_receipts, strict=True):
        yield f"receipts/{receipt_name(top_up)}", [receipt]
    left_out = _paid_in(statement).count() - len(receipts)
    if left_out:
        note = _("%(count)s more receipts did not fit. Each is in your history, beside its payment.")
        yield "receipts/README.txt", [(note % {"count": left_out}).encode()]


def receipts_of(statement: Statement) -> list[TopUp]:
    """The period's payments, oldest first, as far as they fit."""
    return list(with_movements(_paid_in(statement)).order_by("paid_at", "pk")[:MOST_RECEIPTS])


def receipt_name(top_up: TopUp) -> str:
    paid_on = localdate(top_up.paid_at).isoformat() if top_up.paid_at else ""
    return f"receipt-{top_up.pk}-{paid_on}.pdf"


def _paid_in(statement: Statement) -> QuerySet[TopUp]:
    period = statement.period
    return paid_top_ups(statement.clinic).filter(
        paid_at__gte=period.starts_at, paid_at__lt=period.ends_at, paid_at__lte=period.as_of
    )


def _dated(name: str, as_of: datetime) -> ZipInfo:
    """The same month as of the same instant is the same archive, to the byte."""
    info = ZipInfo(name, localtime(as_of).timetuple()[:6])
    info.compress_type = ZIP_DEFLATED
    return info
