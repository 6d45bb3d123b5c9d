"""What a clinic asks of staff, and what staff answer. Nothing else happens by either."""

from allauth.account.adapter import get_adapter
from allauth.core.context import request_context
from django.conf import settings
from django.db import IntegrityError, transaction
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone, translation
from django.utils.translation import gettext as _

from clinics.models import Clinic, SupportRequest, User


class AskedAlready(Exception):
    """One of this kind is open. The text is for the member."""


class AnsweredAlready(Exception):
    """Somebody else of staff was quicker. The text is for staff."""


def ask_staff(*, clinic: Clinic, kind: str, message: str, by: User) -> SupportRequest:
    """Raises AskedAlready, by the table's own constraint: two at once make one."""
    try:
        with transaction.atomic():
            return SupportRequest.objects.create(clinic=clinic, kind=kind, message=message, made_by=by)
    except IntegrityError as problem:
        if "support_request_open_once_per_clinic_and_kind" not in str(problem):
            raise
        raise AskedAlready(_("You have asked for this already. Our staff will answer it here.")) from problem


@transaction.atomic
def answer_clinic(*, request: SupportRequest, text: str, by: User) -> SupportRequest:
    """Closes the request with an answer that the clinic reads. Raises AnsweredAlready."""
    current = SupportRequest.objects.select_for_update(of=("self",)).get(pk=request.pk)
    if current.answered_at is not None:
        raise AnsweredAlready("This was answered meanwhile. Nothing was changed.")
    current.answer, current.answered_by, current.answered_at = text, by, timezone.now()
    current.save(update_fields=["answer", "answered_by", "answered_at"])
    return current


def mail_that_it_is_answered(*, request: SupportRequest, through: HttpRequest) -> None:
    """Tells who asked where to read it, in their language; the answer itself stays in the portal.

    Outside any transaction. Raises OSError when the mail could not be handed over.
    """
    facts = {"clinic": request.clinic, "link": through.build_absolute_uri(reverse("clinic_support"))}
    language = request.made_by.language or settings.LANGUAGE_CODE
    with request_context(through), translation.override(language):
        get_adapter().send_mail("account/email/answered", request.made_by.email, facts)
