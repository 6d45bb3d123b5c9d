"""What a clinic asks of staff, and what staff answer. Nothing else happens by either."""

from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from clinics.models import Clinic, Membership, OutgoingMail, SupportRequest, User


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
    """Closes the request with an answer that the clinic reads in the portal; who asked gets a mail that says so,
    without the answer. Raises AnsweredAlready.
    """
    current = SupportRequest.objects.select_for_update(of=("self",)).get(pk=request.pk)
    if current.answered_at is not None:
        raise AnsweredAlready("This was answered meanwhile. Nothing was changed.")
    current.answer, current.answered_by, current.answered_at = text, by, timezone.now()
    current.save(update_fields=["answer", "answered_by", "answered_at"])
    asker = Membership.objects.filter(clinic=current.clinic_id, user=current.made_by_id).first()
    if asker is not None:
        OutgoingMail.objects.create(
            kind=OutgoingMail.Kind.ANSWERED,
            unique_key=f"{OutgoingMail.Kind.ANSWERED}:{current.pk}",
            clinic_id=current.clinic_id,
            membership=asker,
        )
    return current
