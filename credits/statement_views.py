"""Papers of an account: statements, the month's archive, receipts. Every member may have them."""

import logging
from collections.abc import Iterable
from datetime import date
from typing import Any, Final

from django.http import (
    FileResponse,
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseBase,
    StreamingHttpResponse,
)
from django.shortcuts import get_object_or_404, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views import View

from clinics.models import Clinic
from clinics.surfaces import ClinicMixin
from credits.models import CreditTransaction
from credits.portal import PortalPage
from credits.services.documents import DocumentFailed, DocumentsBusy, typesetting_for
from credits.services.documents_month import month_pack, receipt_name
from credits.services.documents_receipt import paid_top_ups, receipt_documents, with_movements
from credits.services.documents_statement import MOST_ROWS, TooManyRows, statement_document
from credits.services.statement_csv import statement_csv
from credits.services.statement_facts import with_subjects
from credits.services.statement_period import Statement, latest_months, read_statement, settled_moment
from credits.statement_forms import StatementForm
from credits.statement_reasons import explained
from credits.written import exact

logger = logging.getLogger(__name__)
MONTHS_OFFERED: Final = 12
RETRY_AFTER_SECONDS: Final = 5


class DocumentMixin(ClinicMixin):
    """A member's view that sets documents: where there is no room for one now, it asks to come back."""

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        try:
            return super().dispatch(request, *args, **kwargs)
        except DocumentsBusy as busy:
            logger.warning(f"Documents: {busy}")
            message = told_while_busy(busy)
        except DocumentFailed as failure:
            logger.error(f"Documents: {failure}")
            message = _("This document can't be made right now. Please try again in a few seconds.")
        response = render(request, "busy.html", {"message": message}, status=503)
        response["Retry-After"] = str(RETRY_AFTER_SECONDS)
        return response


def told_while_busy(busy: DocumentsBusy) -> str:
    if busy.is_own:
        return _(
            "Another document of your clinic is being made right now, and we make one at a time."
            " Nothing is lost: please try again in a few seconds."
        )
    return _("Many documents are being made right now. Nothing is lost: please try again in a few seconds.")


class StatementPage(DocumentMixin, PortalPage):  # type: ignore[misc]  # its request is a ClinicRequest
    """GET /clinic/credits/statement: totals of a period; `format=csv` or `pdf` downloads it. See StatementForm."""

    template_name = "clinic/statement.html"
    section = "history"

    def get(  # type: ignore[override]  # a page, or a file that streams
        self, request: HttpRequest, *args: Any, **kwargs: Any
    ) -> HttpResponseBase:
        clinic = self.request.clinic
        form = StatementForm(request.GET, settled=settled_moment(clinic))
        if not form.is_valid():
            return self._page(form, None, 400)
        statement = read_statement(clinic, form.period())
        wanted = form.cleaned_data["format"]
        if wanted == "csv":
            return streamed(
                statement_csv(statement), f"{file_stem(statement)}.csv", "text/csv; charset=utf-8"
            )
        if wanted == "pdf":
            return self._pdf(form, statement)
        return self._page(form.filled(), statement, 200)

    def _pdf(self, form: StatementForm, statement: Statement) -> HttpResponseBase:
        try:
            with typesetting_for(statement.clinic) as typeset:
                pdf = typeset([statement_document(statement)])[0]
        except TooManyRows:
            message = _(
                "This period has %(count)s movements, and a PDF takes %(most)s. Take the CSV, or a shorter period."
            )
            form.add_error(None, message % {"count": statement.count, "most": MOST_ROWS})
            return self._page(form, statement, 400)
        return attached(pdf, f"{file_stem(statement)}.pdf", "application/pdf")

    def _page(self, form: StatementForm, statement: Statement | None, status: int) -> HttpResponse:
        context = self.get_context_data(
            form=form,
            statement=statement,
            is_too_long=statement is not None and statement.count > MOST_ROWS,
            most_rows=MOST_ROWS,
            as_of=exact(statement.period.as_of) if statement else "",
            months=months_of(self.request.clinic),
        )
        return self.render_to_response(context, status=status)


class TransactionPage(PortalPage):
    """GET /clinic/credits/transactions/<id>: one movement, explained down to its source."""

    template_name = "clinic/transaction.html"
    section = "history"

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        own = with_subjects(CreditTransaction.objects.filter(clinic=self.request.clinic))
        row = get_object_or_404(own, pk=kwargs["transaction_id"])
        return self.render_to_response(self.get_context_data(movement=explained([row])[0]))


class MonthPack(DocumentMixin, View):  # type: ignore[misc]  # ditto
    """GET /clinic/credits/months/<yyyy-mm>: the month's papers, in one archive."""

    def get(self, request: HttpRequest, month: date) -> HttpResponseBase:
        clinic = self.request.clinic
        as_of = settled_moment(clinic)
        if month > timezone.localdate(as_of):
            raise Http404("This month has not come yet.")
        name = f"clinic-credits-{clinic.slug[:60]}-{month:%Y-%m}.zip"
        archive = month_pack(clinic, month, as_of)
        return FileResponse(archive, content_type="application/zip", headers=download_headers(name))


class TopUpReceipt(DocumentMixin, View):  # type: ignore[misc]  # ditto
    """GET /clinic/credits/topups/<id>/receipt: the receipt of a paid top-up."""

    def get(self, request: HttpRequest, top_up_id: int) -> HttpResponseBase:
        clinic = self.request.clinic
        top_up = get_object_or_404(with_movements(paid_top_ups(clinic)), pk=top_up_id)
        with typesetting_for(clinic) as typeset:
            receipt = typeset(receipt_documents(clinic, [top_up]))[0]
        return attached(receipt, receipt_name(top_up), "application/pdf")


def months_of(clinic: Clinic) -> list[date]:
    """The months that have an archive to offer, newest first."""
    return latest_months(timezone.now(), since=clinic.created_at, most=MONTHS_OFFERED)


def file_stem(statement: Statement) -> str:
    """A name that sorts, and that every system takes: a slug has letters, digits and hyphens."""
    period = statement.period
    return f"statement-{statement.clinic.slug[:60]}-{period.first}-to-{period.last}"


def attached(content: bytes, name: str, content_type: str) -> HttpResponse:
    return HttpResponse(content, content_type=content_type, headers=download_headers(name))


def streamed(content: Iterable[bytes], name: str, content_type: str) -> StreamingHttpResponse:
    return StreamingHttpResponse(content, content_type=content_type, headers=download_headers(name))


def download_headers(name: str) -> dict[str, str]:
    """Saved, not shown; taken for what we say it is; kept by nobody on the way. `name` is of safe letters."""
    return {
        "Content-Disposition": f'attachment; filename="{name}"',
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "no-store, private",
    }
