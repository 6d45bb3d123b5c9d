"""What every portal page shows above its own content: the balance, and the clinics its member may switch to."""

from typing import Any

from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import QuerySet
from django.db.models.functions import JSONObject
from django.utils.functional import cached_property
from django.views.generic.base import TemplateView

from clinics.models import Clinic
from clinics.surfaces import ClinicMixin
from credits.models import CreditAccount


class PortalPage(ClinicMixin, TemplateView):  # type: ignore[misc]  # its request is a ClinicRequest
    """A page of the portal: `request.clinic`, and its account, read once for the whole page."""

    def accounts(self) -> QuerySet[CreditAccount]:
        """What to read along with the account, in the same statement; a page annotates more."""
        mine = Clinic.objects.of_member(self.request.user).values(json=JSONObject(pk="pk", name="name"))
        return CreditAccount.objects.annotate(member_clinics=ArraySubquery(mine))

    @cached_property
    def account(self) -> Any:
        return self.accounts().get(pk=self.request.clinic.pk)

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(
            clinic=self.request.clinic,
            account=self.account,
            credit_balance=self.account.balance,
            member_clinics=self.account.member_clinics,
            **kwargs,
        )
