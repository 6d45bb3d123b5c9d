"""What the web's role may do in the database: everything a page needs, and nothing to the ledger but by its door.

Applied after every `migrate`. The role owns nothing and deletes nothing of the business; tables not named here may be
read, added to and updated.
"""

from typing import Final

from django.db import transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from psycopg import sql

# Read by anybody, written by the SQL functions alone; the audit trail by its trigger.
BEHIND_THE_DOOR: Final = (
    "audit_events",
    "credit_transactions",
    "credit_grants",
    "grant_consumptions",
    "day_closings",
    "day_seals",
    "held_lead_decisions",
    "reversals",
    "leads",
    "lead_contacts",
    "lead_review_facts",
    "enquiry_hits",
    "credit_accounts",
    "lead_disputes",
)
# What takes two people (rule 7): read by anybody, written by approved requests alone.
BY_TWO_PEOPLE: Final = (
    "auth_group",
    "auth_group_permissions",
    "auth_permission",
    "billing_rules",
    "credit_packages",
    "dispute_policies",
    "django_content_type",
    "lead_pricing_tiers",
    "lead_pricing_versions",
    "promo_codes",
    "users_groups",
    "users_user_permissions",
)
# Rows that may be added but never changed, by triggers too.
APPEND_ONLY: Final = (
    "consent_notices",
    "lead_status_changes",
    "contact_attempts",
    "contact_views",
    "dispute_entries",
    "dispute_evidence",
    "staff_requests",
)
# Where only some columns may be updated. A top-up is marked as paid by the function that credits it, and by no other.
UPDATABLE_COLUMNS: Final = {
    "billing_rules": ("charging_stopped_at", "top_ups_stopped_at", "updated_at"),
    "lead_disputes": ("assigned_to_id",),
    "lead_review_facts": ("address_hmac",),
    "leads": ("status", "opened_at", "opened_by_id"),
    "contact_attempts": ("outcome",),
    "credit_accounts": (
        "daily_cap",
        "monthly_cap",
        "highest_cost",
        "paused_at",
        "paused_until",
        "auto_release",
        "low_balance_thresholds",
        "low_balance_told",
        "frozen_at",
        "frozen_reason",
    ),
    "top_ups": (
        "state",
        "razorpay_order_id",
        "ordered_at",
        "last_attempt_error",
        "next_check_at",
        "checks",
    ),
}
# Django's own working tables, and what is kept for a time only (`manage.py forget_old_data`).
DELETABLE: Final = (
    "account_emailaddress",
    "account_emailconfirmation",
    "cache_entries",
    "django_session",
    "enquiry_hits",
    "idempotency_keys",
    "mfa_authenticator",
    "outgoing_mails",
    "procrastinate_events",
    "procrastinate_jobs",
    "procrastinate_periodic_defers",
    "procrastinate_workers",
    "request_rates",
    "users_groups",
    "users_user_permissions",
    "usersessions_usersession",
    "webhook_attempts",
    "webhook_deliveries",
)
# The door: the only functions the web's role may call.
DOOR: Final = (
    "add_credits",
    "add_seal",
    "answer_dispute",
    "appeal_refusal",
    "approve_dispute",
    "approve_request",
    "ask_clinic",
    "cancel_dispute",
    "closing_watermark",
    "clinics_to_release",
    "credit_top_up",
    "deduct_credits_for_lead",
    "deliver_lead",
    "deliver_leads",
    "dispute_refusal",
    "dispute_refusals",
    "expire_grants",
    "expire_leads",
    "expire_requests",
    "file_dispute",
    "finish_closing",
    "ist_date",
    "ledger_clock",
    "open_closing",
    "refuse_lead",
    "rehearse_request",
    "reject_dispute",
    "reject_request",
    "release_held_leads",
    "release_lead",
    "repeats_a_charged_lead",
    "release_leads",
    "restore_reversal",
    "sign_off_closing",
    "review_lead",
    "take_back_top_up",
    "tell_of_expiring_credits",
    "tier_for_price",
    "withdraw_lead",
)

# What the worker calls; it runs as the web's role, and its tables hold names and ids alone.
JOB_QUEUE: Final = (
    "procrastinate_defer_jobs_v1",
    "procrastinate_defer_periodic_job_v2",
    "procrastinate_fetch_job_v2",
    "procrastinate_finish_job_v1",
    "procrastinate_prune_stalled_workers_v1",
    "procrastinate_register_worker_v1",
    "procrastinate_retry_job_v2",
    "procrastinate_unregister_worker_v1",
    "procrastinate_update_heartbeat_v1",
)


def grant_web_role(connection: BaseDatabaseWrapper, web_role: str) -> None:
    """Gives `web_role` exactly its rights on an up-to-date database; run as the owner.

    Does nothing where the web's role is the owner itself: `manage.py check --deploy` refuses that.
    """
    if web_role == connection.settings_dict["USER"]:
        return
    role = sql.Identifier(web_role)

    def tables(names: tuple[str, ...]) -> sql.Composed:
        return sql.SQL(", ").join(map(sql.Identifier, names))

    statements: list[sql.Composable] = [
        sql.SQL("REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA public FROM PUBLIC, {}").format(role),
        sql.SQL("REVOKE ALL ON ALL TABLES IN SCHEMA public FROM {}").format(role),
        sql.SQL("GRANT USAGE ON SCHEMA public TO {}").format(role),
        sql.SQL("GRANT SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA public TO {}").format(role),
        sql.SQL("GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO {}").format(role),
        sql.SQL("GRANT DELETE ON {} TO {}").format(tables(DELETABLE), role),
        sql.SQL("REVOKE INSERT, UPDATE ON {} FROM {}").format(
            tables((*BEHIND_THE_DOOR, *BY_TWO_PEOPLE)), role
        ),
        sql.SQL("REVOKE UPDATE ON {} FROM {}").format(tables((*APPEND_ONLY, "top_ups")), role),
        sql.SQL("REVOKE INSERT, UPDATE ON django_migrations FROM {}").format(role),
    ]
    for table, columns in UPDATABLE_COLUMNS.items():
        statements.append(
            sql.SQL("GRANT UPDATE ({}) ON {} TO {}").format(tables(columns), sql.Identifier(table), role)
        )
    statements.extend(
        sql.SQL("GRANT EXECUTE ON FUNCTION {} TO {}").format(sql.Identifier(function), role)
        for function in (*DOOR, *JOB_QUEUE)
    )
    # At once or not at all: the web goes on serving meanwhile.
    with transaction.atomic(using=connection.alias), connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)
