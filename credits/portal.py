"""What every portal page shows above its own content: balance, what is new, the clinics its member may switch to."""

from typing import Any, Final

from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import Count, QuerySet, Subquery
from django.db.models.functions import Coalesce, JSONObject
from django.utils.functional import cached_property
from django.views.generic.base import TemplateView

from clinics.models import Clinic, Notice
from clinics.surfaces import ClinicMixin
from credits.models import CreditAccount

MOST_NEW_NOTICES: Final = 10  # shown as «9+»: more are not counted


class PortalPage(ClinicMixin, TemplateView):  # type: ignore[misc]  # its request is a ClinicRequest
    """A page of the portal: `request.clinic`, and its account, read once for the whole page.

    `section` marks the page's entry in the navigation.
    """

    section = ""

    def accounts(self) -> QuerySet[CreditAccount]:
        """What to read along with the account, in the same statement; a page annotates more."""
        mine = Clinic.objects.of_member(self.request.user).values(json=JSONObject(pk="pk", name="name"))
        new = Notice.objects.new_to(self.request.membership).newest_first()[:MOST_NEW_NOTICES]
        counted = (
            Notice.objects.filter(pk__in=new.values("pk"))
            .values("clinic")
            .annotate(n=Count("pk"))
            .values("n")
        )
        return CreditAccount.objects.annotate(
            member_clinics=ArraySubquery(mine), unread_notices=Coalesce(Subquery(counted), 0)
        )

    @cached_property
    def account(self) -> Any:
        return self.accounts().get(pk=self.request.clinic.pk)

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(
            section=self.section,
            clinic=self.request.clinic,
            account=self.account,
            credit_balance=self.account.balance,
            member_clinics=self.account.member_clinics,
            **kwargs,
        )
