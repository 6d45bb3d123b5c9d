"""The queue's page, what is done there with several disputes at once, and the way to the next one."""

from collections import defaultdict
from collections.abc import Sequence
from decimal import Decimal

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.urls import reverse
from django.utils.formats import number_format
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from clinics.step_up import ask_again
from disputes.desk.filters import SEARCH_HELP
from disputes.desk.forms import BulkForm
from disputes.desk.pages import DECIDE, VIEW, DeskView
from disputes.models import LeadDispute
from disputes.services.bulk import Outcome, decide_many, take_many
from disputes.services.decide import Action


class QueuePage(DeskView):
    """GET /admin/disputes: what waits for a decision, the most urgent first."""

    def get(self, request: HttpRequest) -> HttpResponse:
        return self.page(BulkForm(label_suffix=""), 200 if self.queue.is_valid else 400)

    def page(self, bulk: BulkForm, status: int) -> HttpResponse:
        queue = self.queue
        rows, has_more = queue.rows()
        ticked = set(bulk.data.getlist("dispute")) if isinstance(bulk.data, QueryDict) else set()
        context = {
            "title": "Disputes",
            "subtitle": None,
            "queue": queue,
            "search_help": SEARCH_HELP,
            "rows": rows,
            "has_more": has_more,
            "counts": queue.counts(),
            "bulk": bulk,
            "ticked": [row.dispute.pk for row in rows if str(row.dispute.pk) in ticked],
        }
        return self.render("admin/disputes.html", status, context)


class Bulk(QueuePage):
    """POST /admin/disputes/bulk: decides or takes those ticked, each on its own, and says what became of each."""

    rights = (VIEW, DECIDE)

    def get(self, request: HttpRequest) -> HttpResponse:
        """So one ends up after signing in again on the way."""
        return HttpResponseRedirect(reverse("admin_disputes") + self.queue.query)

    def post(self, request: HttpRequest) -> HttpResponse:
        form = BulkForm(request.POST, label_suffix="")
        if not form.is_valid():
            return self.page(form, 400)
        action, ticked = form.cleaned_data["action"], form.cleaned_data["dispute"]
        # Many at once may be much money at many clinics; one by one, the daily limit is the bound.
        if action == Action.APPROVE and (question := ask_again(request)):
            return question
        if action == BulkForm.TAKE:
            outcomes = take_many(dispute_ids=ticked, to=self.user)
        else:
            outcomes = decide_many(
                dispute_ids=ticked,
                action=Action(action),
                reason_code=form.cleaned_data["reason_code"],
                notes=form.cleaned_data["admin_notes"],
                by=self.user,
            )
        self.tell(action, outcomes)
        return HttpResponseRedirect(reverse("admin_disputes") + self.queue.query, status=303)

    def tell(self, action: str, outcomes: Sequence[Outcome]) -> None:
        done = [one for one in outcomes if not one.why_not]
        if done:
            total = number_format(sum((one.amount for one in done), Decimal(0)), 2)
            ending = {
                Action.APPROVE: f"approved, ₹{total} came back in all",
                Action.REJECT: "rejected",
            }.get(Action(action) if action != BulkForm.TAKE else Action.ASK, "assigned to you")
            messages.success(self.request, f"{len(done)} {noun(len(done))} {ending}.")
        left: dict[str, list[int]] = defaultdict(list)
        for one in outcomes:
            if one.why_not:
                left[one.why_not].append(one.dispute_id)
        for why, keys in left.items():
            messages.warning(self.request, format_html("Left as it was ({}): {}.", why, links(keys)))


class Next(DeskView):
    """GET /admin/disputes/next?after=12: on to the next case of the queue, or back to it where there is none."""

    def get(self, request: HttpRequest) -> HttpResponse:
        queue, after = self.queue, request.GET.get("after", "")
        known = after.isascii() and after.isdecimal() and len(after) <= 18
        following = queue.next_after(LeadDispute.objects.filter(pk=int(after)).first() if known else None)
        if following is None:
            messages.info(request, "Nothing else waits for a decision here.")
            return HttpResponseRedirect(reverse("admin_disputes") + queue.query)
        return HttpResponseRedirect(reverse("admin_dispute", args=[following]) + queue.query)


def noun(number: int) -> str:
    return "dispute was" if number == 1 else "disputes were"


def links(keys: Sequence[int]) -> SafeString:
    return format_html_join(
        ", ", '<a href="{}">{}</a>', ((reverse("admin_dispute", args=[key]), str(key)) for key in keys)
    )
