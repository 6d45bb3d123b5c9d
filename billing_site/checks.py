"""What must hold before this may serve real clinics: `manage.py check --deploy` fails otherwise.

Guards read the environment rather than `settings.DEBUG`, which a test runner sets to False.
"""

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import environ
from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, register
from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError, connections

from credits.gateway import checkout_problems, configuration_problems

SHORTEST_SECRET = 32
MAILS_STAY_HERE = frozenset({"console", "dummy", "filebased", "locmem"})
RATES = (
    "API_REQUESTS_PER_MINUTE",
    "LEADS_PER_ADDRESS_PER_MINUTE",
    "QUOTES_PER_MINUTE",
    "SCHEMA_READS_PER_ADDRESS_PER_MINUTE",
)
NOT_SECRETS = frozenset({"", "none", "null", "changeme", "secret"})


def secret_problem(name: str, value: str) -> Error | None:
    """An Error when a secret is missing, a word that stands for nothing, or too short to be one."""
    if value.strip().lower() in NOT_SECRETS:
        return Error(f"{name} is not set", hint="See .env.example.", id="billing_site.E001")
    if len(value) < SHORTEST_SECRET:
        return Error(f"{name} is shorter than {SHORTEST_SECRET} characters", id="billing_site.E002")
    return None


@register(Tags.security)
def secret_key_is_a_secret(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Also outside --deploy: no command runs without a key, except where DEBUG says that nothing is real."""
    if environ.Env().bool("DEBUG", default=False):
        return []
    problem = secret_problem("SECRET_KEY", settings.SECRET_KEY)
    return [problem] if problem else []


@register(Tags.security)
def seal_key_is_a_secret(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Of its own: whoever may change the secret key of a web server could seal what they edited."""
    if environ.Env().bool("DEBUG", default=False):
        return []
    if problem := secret_problem("SEAL_KEY", settings.SEAL_KEY):
        return [problem]
    if settings.SEAL_KEY == settings.SECRET_KEY:
        return [Error("SEAL_KEY is the SECRET_KEY", hint="See .env.example.", id="billing_site.E010")]
    return []


@register(Tags.security)
def staff_need_a_second_factor(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    if environ.Env().bool("DEBUG", default=False) or settings.STAFF_MFA_REQUIRED:
        return []
    return [Error("STAFF_MFA_REQUIRED is off", hint="See .env.example.", id="billing_site.E008")]


@register(Tags.security)
def evidence_is_private(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Files of disputes may show patients' numbers: they lie below no folder that is handed out, chosen on purpose."""
    if environ.Env().bool("DEBUG", default=False):
        return []
    problems = []
    if not environ.Env().str("EVIDENCE_DIR", default=""):
        problems.append("EVIDENCE_DIR is not set")
    elif not settings.EVIDENCE_DIR.is_absolute():
        problems.append("EVIDENCE_DIR is not an absolute path")
    folder = settings.EVIDENCE_DIR.resolve()
    handed_out = [settings.STATIC_ROOT, settings.MEDIA_ROOT, *settings.STATICFILES_DIRS]
    if any(folder.is_relative_to(Path(str(root)).resolve()) for root in handed_out if root):
        problems.append("EVIDENCE_DIR lies below a folder that is handed out to everybody")
    return [Error(problem, hint="See .env.example.", id="billing_site.E009") for problem in problems]


@register(Tags.security)
def gateway_is_set_up(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Keys that are set must be usable everywhere; without DEBUG they must be set, and be live ones."""
    debug = environ.Env().bool("DEBUG", default=False)
    given = (settings.RAZORPAY_KEY_ID, settings.RAZORPAY_KEY_SECRET, *settings.RAZORPAY_WEBHOOK_SECRETS)
    if debug and not any(given):
        return []
    problems = configuration_problems(
        settings.RAZORPAY_KEY_ID,
        settings.RAZORPAY_KEY_SECRET,
        settings.RAZORPAY_WEBHOOK_SECRETS,
        settings.RAZORPAY_API_URL,
    )
    problems += checkout_problems(settings.RAZORPAY_CHECKOUT_JS_URL)
    if not debug and settings.RAZORPAY_KEY_ID.startswith("rzp_test_"):
        problems.append("RAZORPAY_KEY_ID is a test key: payments would not be real")
    return [Error(problem, hint="See .env.example.", id="billing_site.E007") for problem in problems]


@register(Tags.security)
def links_in_mails_lead_here(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """A mail is written where no request says what we are called."""
    if environ.Env().bool("DEBUG", default=False) or settings.SITE_URL.startswith("https://"):
        return []
    problem = "SITE_URL is not an https:// address: the links in mails would lead nowhere"
    return [Error(problem, hint="See .env.example.", id="billing_site.E011")]


@register(Tags.security)
def mails_leave(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """A mail that is printed counts as sent: it would be lost, with its recipient's address in a log."""
    if environ.Env().bool("DEBUG", default=False):
        return []
    backend = settings.EMAIL_CONFIG["EMAIL_BACKEND"].removeprefix("django.core.mail.backends.")
    if backend.partition(".")[0] not in MAILS_STAY_HERE:
        return []
    return [Error("EMAIL_URL names no mail server", hint="See .env.example.", id="billing_site.E012")]


@register(Tags.security)
def limits_let_somebody_in(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    if environ.Env().bool("DEBUG", default=False):
        return []
    return [
        Error(f"{name} is below 1", hint="See .env.example.", id="billing_site.E013")
        for name in RATES
        if getattr(settings, name) < 1
    ]


@register(Tags.database, deploy=True)
def database_is_fit_for_money(
    app_configs: Any, databases: Sequence[str] | None = None, **kwargs: Any
) -> list[CheckMessage]:
    """The web's role owns nothing and is no superuser; the server keeps what it has acknowledged."""
    if not settings.DATABASE_URL:
        return [
            Error(
                "DATABASE_URL is not set: the embedded PostgreSQL is for development", id="billing_site.E003"
            )
        ]
    web, owner = connections["default"], connections["owner"]
    found: list[CheckMessage] = []
    if web.settings_dict["USER"] == owner.settings_dict["USER"]:
        found.append(
            Error(
                "DATABASE_URL and DATABASE_OWNER_URL use the same role",
                hint="`manage.py database roles` prints the SQL for two roles.",
                id="billing_site.E004",
            )
        )
    if "default" not in (databases or []):
        return found
    with web.cursor() as cursor:
        cursor.execute("SELECT rolsuper FROM pg_roles WHERE rolname = current_user")
        if cursor.fetchone()[0]:
            found.append(Error("The web's database role is a superuser", id="billing_site.E005"))
        for name in ("fsync", "full_page_writes", "synchronous_commit"):
            cursor.execute("SELECT current_setting(%s)", [name])
            if cursor.fetchone()[0] == "off":
                found.append(
                    Error(f"PostgreSQL runs with {name} = off: money could be lost", id="billing_site.E006")
                )
    return found


def refuse_unsafe_start() -> None:
    """Run by every web process before its first request; commands run the same checks by `manage.py check`.

    Raises ImproperlyConfigured with all that is wrong. A database that is away at this moment refuses nothing:
    the site starts and answers 503 until it is back.
    """
    found = [
        *secret_key_is_a_secret(None),
        *seal_key_is_a_secret(None),
        *staff_need_a_second_factor(None),
        *evidence_is_private(None),
        *gateway_is_set_up(None),
        *links_in_mails_lead_here(None),
        *mails_leave(None),
        *limits_let_somebody_in(None),
    ]
    if not environ.Env().bool("DEBUG", default=False):
        with suppress(DatabaseError):
            found += database_is_fit_for_money(None, databases=["default"])
    if found:
        raise ImproperlyConfigured(
            "Refusing to start:\n" + "\n".join(f"- {message.msg}" for message in found)
        )
