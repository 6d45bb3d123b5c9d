"""Mails that were sent inside requests wait in the outbox too: invitations, answers, and what is about signing in."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("clinics", "0016_sent_again_is_kept"),
    ]

    operations = [
        migrations.RemoveConstraint(
            model_name="outgoingmail",
            name="mail_to_a_member_or_a_patient",
        ),
        migrations.AddField(
            model_name="outgoingmail",
            name="sealed",
            field=models.TextField(blank=True, db_default="", editable=False),
        ),
        migrations.AlterField(
            model_name="outgoingmail",
            name="clinic",
            field=models.ForeignKey(
                blank=True,
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="mails",
                to="clinics.clinic",
            ),
        ),
        migrations.AlterField(
            model_name="outgoingmail",
            name="data",
            field=models.JSONField(default=dict, help_text="Ids, dates and a language only."),
        ),
        migrations.AlterField(
            model_name="outgoingmail",
            name="kind",
            field=models.CharField(
                choices=[
                    ("notice", "Notice to a member"),
                    ("digest", "Daily digest to a member"),
                    ("patient_waiting", "To a patient whose enquiry is held"),
                    ("invitation", "Invitation to work for a clinic"),
                    ("new_owner", "To who was made an owner by staff"),
                    ("answered", "To who asked staff, who have answered"),
                    ("sign_in", "About signing in, to who asked for it"),
                ],
                max_length=20,
            ),
        ),
        migrations.AddConstraint(
            model_name="outgoingmail",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        ("kind__in", ("patient_waiting", "invitation", "sign_in")), ("membership", None)
                    ),
                    models.Q(
                        models.Q(("kind__in", ("patient_waiting", "invitation", "sign_in")), _negated=True),
                        ("membership__isnull", False),
                    ),
                    _connector="OR",
                ),
                name="mail_has_a_member_iff_it_is_for_one",
            ),
        ),
        migrations.AddConstraint(
            model_name="outgoingmail",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("clinic", None), ("kind", "sign_in")),
                    models.Q(models.Q(("kind", "sign_in"), _negated=True), ("clinic__isnull", False)),
                    _connector="OR",
                ),
                name="mail_has_a_clinic_iff_it_is_of_one",
            ),
        ),
        migrations.AddConstraint(
            model_name="outgoingmail",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("sealed", ""),
                    models.Q(("done_at", None), ("given_up_at", None), ("kind", "sign_in")),
                    _connector="OR",
                ),
                name="mail_is_sealed_until_it_ends",
            ),
        ),
        # What the table of before has no place for.
        migrations.RunSQL(
            migrations.RunSQL.noop,
            "DELETE FROM outgoing_mails WHERE kind IN ('invitation', 'new_owner', 'answered', 'sign_in')",
        ),
    ]
