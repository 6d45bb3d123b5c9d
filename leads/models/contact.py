"""Personal data of patients, who saw it, and who tried to reach them."""

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _
from phonenumber_field.modelfields import PhoneNumberField

from clinics.models import Clinic
from leads.models.lead import Lead, visible_contact


class ContactQuerySet(models.QuerySet["LeadContact"]):
    def visible(self) -> "ContactQuerySet":
        """Those that may be shown to their clinic: the one place that decides it for lists."""
        return self.filter(visible_contact("lead__"))


class LeadContact(models.Model):
    """The only table with a patient's personal data. Erased in place: the row stays, empty, with the time."""

    lead = models.OneToOneField(Lead, on_delete=models.PROTECT, primary_key=True, related_name="contact")
    clinic = models.ForeignKey(Clinic, on_delete=models.PROTECT, related_name="lead_contacts", db_index=False)
    phone = PhoneNumberField(blank=True)
    name = models.CharField(max_length=120, blank=True)
    email = models.EmailField(blank=True)
    procedure_name = models.CharField(max_length=200, blank=True)
    message = models.TextField(blank=True)
    guardian_name = models.CharField(max_length=120, blank=True)
    erased_at = models.DateTimeField(null=True, blank=True)

    objects = ContactQuerySet.as_manager()

    class Meta:
        db_table = "lead_contacts"
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["clinic", "phone"], name="lead_contacts_clinic_phone"),
        ]
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.CheckConstraint(
                name="contact_is_whole_or_erased",
                condition=(Q(erased_at__isnull=True) & ~Q(phone="") & ~Q(name=""))
                | Q(
                    erased_at__isnull=False,
                    phone="",
                    name="",
                    email="",
                    procedure_name="",
                    message="",
                    guardian_name="",
                ),
            ),
        ]

    def __str__(self) -> str:
        return f"Contact of lead {self.pk}"


class ContactAttempt(models.Model):
    """The clinic tried to reach the patient: the evidence a dispute asks for.

    Never changed but for its outcome, which is set once (leads/sql/inbox.sql).
    """

    class Kind(models.TextChoices):
        CALL = "call", _("Call")
        WHATSAPP = "whatsapp", _("WhatsApp")

    class Outcome(models.TextChoices):
        OPENED = "opened", _("Link opened")
        REACHED = "reached", _("Reached")
        NO_ANSWER = "no_answer", _("No answer")
        WRONG_NUMBER = "wrong_number", _("Wrong number")

    lead = models.ForeignKey(Lead, on_delete=models.PROTECT, related_name="contact_attempts")
    kind = models.CharField(max_length=10, choices=Kind.choices)
    outcome = models.CharField(max_length=15, choices=Outcome.choices, default=Outcome.OPENED)
    made_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    made_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "contact_attempts"

    def __str__(self) -> str:
        return f"{self.get_kind_display()} for lead {self.lead_id}"


class ContactView(models.Model):
    """Somebody saw a patient's contact (rule 12): a member once per lead and IST day, staff each time, with why."""

    lead = models.ForeignKey(Lead, on_delete=models.PROTECT, related_name="contact_views", db_index=False)
    viewer = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    reason = models.CharField(max_length=200, blank=True)
    seen_on = models.DateField(help_text="The day in India.")
    seen_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "contact_views"
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["lead", "seen_at"], name="contact_views_lead"),
        ]
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(
                fields=["viewer", "lead", "seen_on"], name="contact_view_once_per_day", condition=Q(reason="")
            ),
        ]

    def __str__(self) -> str:
        return f"View of lead {self.lead_id}"


class EnquiryHit(models.Model):
    """One enquiry from one address, for the limits of rule 9. The address is kept as an HMAC, for a day."""

    address_hmac = models.BinaryField(max_length=32)
    arrived_at = models.DateTimeField()

    class Meta:
        db_table = "enquiry_hits"
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["address_hmac", "arrived_at"], name="enquiry_hits_address"),
        ]

    def __str__(self) -> str:
        return f"Enquiry hit {self.pk}"
