"""The one settings file: everything that differs between machines comes from the environment.

`.env.example` lists each variable with its reason. Guards against an unsafe start live in
`billing_site/checks.py`, so that `manage.py check --deploy` names all of them at once.
"""

import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import django_stubs_ext
import environ
import structlog
from csp.constants import NONE, SELF
from django.urls import reverse_lazy

from billing_site.log_lines import without_personal_data, without_words_of_exceptions

django_stubs_ext.monkeypatch()  # makes ModelAdmin[...] and the generic views subscriptable at run time

BASE_DIR = Path(__file__).resolve().parent.parent
env = environ.Env()
environ.Env.read_env(BASE_DIR / ".env")

DEBUG = env.bool("DEBUG", default=False)
SECRET_KEY = env.str("SECRET_KEY", default="")
SECRET_KEY_FALLBACKS = env.list("SECRET_KEY_FALLBACKS", default=[])  # what was signed or encrypted before
# What day seals are made with (credits/services/seals.py), and the keys before it, newest first, that still read them.
SEAL_KEY = env.str("SEAL_KEY", default="") or (SECRET_KEY if DEBUG else "")
SEAL_KEY_FALLBACKS = env.list("SEAL_KEY_FALLBACKS", default=[])
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["localhost", "127.0.0.1", "[::1]"] if DEBUG else [])
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[])

INSTALLED_APPS = [
    "billing_site",
    "clinics",
    "leads",
    "credits",
    "disputes",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "django.contrib.postgres",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.usersessions",
    "rest_framework",
    "drf_spectacular",
    "knox",
    "phonenumber_field",
    "crispy_forms",
    "crispy_bootstrap5",
    "django_filters",
    "django_include_bootstrap",
    "django_htmx",
    "lucide",
    "csp",
    "django_structlog",
    "procrastinate.contrib.django",
    "pgtrigger",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.middleware.gzip.GZipMiddleware",  # pages, and static files where whitenoise has no compressed copy
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "django_permissions_policy.PermissionsPolicyMiddleware",
    "billing_site.middleware.BodyLimitMiddleware",
    "billing_site.middleware.DatabaseBusyMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "clinics.language.LanguageMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "billing_site.middleware.PrivatePagesMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "django_structlog.middlewares.RequestMiddleware",
    "clinics.audit.AuditMiddleware",
    "billing_site.second_factor.StaffSecondFactorMiddleware",
]

CSRF_FAILURE_VIEW = "clinics.surfaces.forbidden_by_csrf"
ROOT_URLCONF = "billing_site.urls"
WSGI_APPLICATION = "billing_site.wsgi.application"
APPEND_SLASH = False  # the seed's routes have no trailing slash
TEMPLATES: list[dict[str, Any]] = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.template.context_processors.i18n",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

# --- database -------------------------------------------------------------------------------------
# `default` is the web's role, which owns nothing; `owner` owns the tables and is used by `migrate` alone.
# Without DATABASE_URL both point at the embedded PostgreSQL, with the same two roles as in production.
# statement_timeout and lock_timeout bound every wait: a caller who hits one gets 503, not a hanging page.
# `prepare_threshold` lets the ledger's door prepare its statements; Django's own cursors bind on the client.
DATABASE_OPTIONS = {"options": "-c statement_timeout=30000 -c lock_timeout=5000", "prepare_threshold": 5}


def database(url: str) -> dict[str, Any]:
    """Django's dictionary for one role; an empty URL means the embedded PostgreSQL under that role."""
    config = environ.Env.db_url_config(url)
    return {
        **config,
        "CONN_MAX_AGE": 60,
        "CONN_HEALTH_CHECKS": True,
        "OPTIONS": {**DATABASE_OPTIONS, **config.get("OPTIONS", {})},
    }


def embedded_database(role: str) -> dict[str, Any]:
    return {
        "ENGINE": "billing_site.embedded_postgres",
        "NAME": "clinic_credits",
        "USER": role,
        "CONN_MAX_AGE": 60,
        "CONN_HEALTH_CHECKS": True,
        "OPTIONS": dict(DATABASE_OPTIONS),
    }


DATABASE_URL = env.str("DATABASE_URL", default="")
DATABASE_OWNER_URL = env.str("DATABASE_OWNER_URL", default=DATABASE_URL)
EMBEDDED_POSTGRES_DIR = Path(env.str("EMBEDDED_POSTGRES_DIR", default="") or BASE_DIR / ".postgres")
PG_BIN_DIR = env.str("PG_BIN_DIR", default="")
DATABASES = {
    "default": database(DATABASE_URL) if DATABASE_URL else embedded_database("clinic_credits_web"),
    "owner": database(DATABASE_OWNER_URL) if DATABASE_URL else embedded_database("clinic_credits_owner"),
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

CACHES = {
    "default": env.cache_url_config(env.str("CACHE_URL", default="dbcache://cache_entries")),
}

# --- people ---------------------------------------------------------------------------------------
AUTH_USER_MODEL = "clinics.User"
AUTHENTICATION_BACKENDS = [
    "django.contrib.auth.backends.ModelBackend",
    "allauth.account.auth_backends.AuthenticationBackend",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
LOGIN_URL = reverse_lazy("account_login")
LOGIN_REDIRECT_URL = reverse_lazy("clinic_dashboard")
ACCOUNT_ADAPTER = "clinics.sign_in.AccountAdapter"
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*", "password2*"]
ACCOUNT_EMAIL_VERIFICATION = "none"  # accounts are made by invitation: the link in the mail is the proof
ACCOUNT_PREVENT_ENUMERATION = True
ACCOUNT_EMAIL_SUBJECT_PREFIX = ""  # not «[host]»
ACCOUNT_LOGOUT_ON_PASSWORD_CHANGE = True
# A code by mail instead of the password: eight letters, three tries each; within the limits guessing is hopeless.
ACCOUNT_LOGIN_BY_CODE_ENABLED = True
ACCOUNT_LOGIN_BY_CODE_TIMEOUT = 15 * 60  # seconds: mail may be slow
ACCOUNT_LOGIN_BY_CODE_SUPPORTS_RESEND = True  # twice
ACCOUNT_FORMS = {
    "login": "clinics.sign_in_forms.SignInForm",
    "request_login_code": "clinics.sign_in_forms.AskForCodeForm",
    "confirm_login_code": "clinics.sign_in_forms.CodeForm",
    "reset_password": "clinics.sign_in_forms.AskForLinkForm",
}
ACCOUNT_RATE_LIMITS = {
    "login_failed": "10/5m/key,30/m/ip",
    "reauthenticate": "10/5m/user",
    "request_login_code": "5/10m/key,20/m/ip,100/d/ip",  # each sends a mail, also to a stranger
}
ACCOUNT_REAUTHENTICATION_TIMEOUT = 300  # seconds; also for our own steps, see clinics/step_up.py
STAFF_MFA_REQUIRED = env.bool("STAFF_MFA_REQUIRED", default=not DEBUG)
MFA_ADAPTER = "clinics.sign_in.SecondFactorAdapter"
MFA_SUPPORTED_TYPES = ["totp", "recovery_codes"]
MFA_TOTP_ISSUER = "Clinic Credits"
MFA_TOTP_TOLERANCE = 0  # a used code is remembered for one period: with more tolerance it would work twice
MFA_RECOVERY_CODES_SHOW_ONCE = True
MFA_ALLOW_UNVERIFIED_EMAIL = True  # see ACCOUNT_EMAIL_VERIFICATION
ACCOUNT_DEFAULT_HTTP_PROTOCOL = "http" if DEBUG else "https"
EMAIL_CONFIG = env.email_url("EMAIL_URL", default="consolemail://")
if EMAIL_CONFIG["EMAIL_FILE_PATH"]:  # of filemail:///var/mails the reader drops the first slash of the path
    EMAIL_CONFIG["EMAIL_FILE_PATH"] = "/" + EMAIL_CONFIG["EMAIL_FILE_PATH"].lstrip("/")
vars().update(EMAIL_CONFIG)
EMAIL_TIMEOUT = 20  # seconds; a mail server that says nothing keeps the others' mails waiting
# Where people find us: what stands before the path of every link in a mail.
SITE_URL = env.str("SITE_URL", default="http://127.0.0.1:8000" if DEBUG else "").rstrip("/")
DEFAULT_FROM_EMAIL = env.str("DEFAULT_FROM_EMAIL", default="Clinic Credits <no-reply@clinic-credits.example>")

# --- programs -------------------------------------------------------------------------------------
KNOX_TOKEN_MODEL = "clinics.ApiToken"
REST_KNOX = {"AUTH_HEADER_PREFIX": "Bearer", "TOKEN_TTL": None}
# The project's own authentication, parsing and errors stand on `clinics.api.ApiView`, which every JSON route
# subclasses; a view that forgets to finds every door closed.
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "UNAUTHENTICATED_USER": "django.contrib.auth.models.AnonymousUser",
    "UNICODE_JSON": True,
    "DEFAULT_SCHEMA_CLASS": "billing_site.openapi.generator.OperationSchema",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Clinic Credits API",
    "DESCRIPTION": "Partners hand over enquiries; clinics' own systems read their leads and credits.",
    "VERSION": "1.0.0",
    "OAS_VERSION": "3.1.0",
    "SERVERS": [{"url": "/"}],
    "DEFAULT_GENERATOR_CLASS": "billing_site.openapi.generator.Generator",
}
DATA_UPLOAD_MAX_MEMORY_SIZE = 1024 * 1024  # also of all text fields beside files
DATA_UPLOAD_MAX_NUMBER_FILES = 20

# --- jobs -----------------------------------------------------------------------------------------
PROCRASTINATE_IMPORT_PATHS = ["billing_site.jobs.tasks"]
# Seconds: what the schedule missed while no worker ran is done by the next one, once, up to a day later.
PROCRASTINATE_PERIODIC_DEFAULTS = {"max_delay": 26 * 3600}

# --- files that clinics send with a dispute -------------------------------------------------------
# Below no folder that a web server hands out; made at the first use, for this user alone.
EVIDENCE_DIR = Path(env.str("EVIDENCE_DIR", default="") or BASE_DIR / ".evidence")
# The dotted path of a callable that takes a file's path and says whether it is clean; empty: none.
EVIDENCE_SCANNER = env.str("EVIDENCE_SCANNER", default="")

# --- language, time and money on pages ------------------------------------------------------------
LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English"), ("hi", "हिन्दी")]  # clinics.models.Language; locale/ holds what is not English
LOCALE_PATHS = [BASE_DIR / "locale"]
LANGUAGE_COOKIE_AGE = 365 * 24 * 3600
LANGUAGE_COOKIE_HTTPONLY = True
LANGUAGE_COOKIE_SECURE = not DEBUG
TIME_ZONE = "Asia/Kolkata"  # what a «day» and a «month» are; the database stores timestamptz in UTC
USE_TZ = True
USE_THOUSAND_SEPARATOR = True
FORMAT_MODULE_PATH = ["billing_site.formats"]
PHONENUMBER_DEFAULT_REGION = "IN"
PHONENUMBER_DB_FORMAT = "E164"

# --- static files ---------------------------------------------------------------------------------
STATIC_URL = "/static/"
STATIC_ROOT = BASE_DIR / "staticfiles"
# Chart.js comes in the wheel of an admin theme that is neither installed as an app nor imported: find_spec only
# says where its files are, and this one folder is all that is served of them.
UNFOLD_SPEC = find_spec("unfold")
UNFOLD_DIR = Path(UNFOLD_SPEC.origin).parent if UNFOLD_SPEC and UNFOLD_SPEC.origin else None
STATICFILES_DIRS = [
    BASE_DIR / "billing_site" / "static",
    *([("chart", UNFOLD_DIR / "static" / "unfold" / "js" / "chart")] if UNFOLD_DIR else []),
]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if DEBUG
        else "whitenoise.storage.CompressedManifestStaticFilesStorage"
    },
}
WHITENOISE_USE_FINDERS = DEBUG
CRISPY_ALLOWED_TEMPLATE_PACKS = "bootstrap5"
CRISPY_TEMPLATE_PACK = "bootstrap5"

# --- security headers -----------------------------------------------------------------------------
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "data:"],  # Bootstrap's own icons in its CSS are data: images
        "font-src": [SELF],
        "connect-src": [SELF],
        "form-action": [SELF],
        "manifest-src": [SELF],
        "frame-ancestors": [NONE],
        "base-uri": [NONE],
    },
}
PERMISSIONS_POLICY: dict[str, list[str]] = {
    "camera": [],
    "geolocation": [],
    "microphone": [],
    "payment": [],
    "usb": [],
}
X_FRAME_OPTIONS = "DENY"
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SESSION_COOKIE_HTTPONLY = True
if not DEBUG:
    SECURE_SSL_REDIRECT = env.bool("SECURE_SSL_REDIRECT", default=True)
    SECURE_HSTS_SECONDS = 31_536_000
    SECURE_HSTS_INCLUDE_SUBDOMAINS = True
    SECURE_HSTS_PRELOAD = True
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    SECURE_REDIRECT_EXEMPT = [r"^healthz$", r"^readyz$"]
    SESSION_COOKIE_SECURE = True
    CSRF_COOKIE_SECURE = True

# --- limits of the business that ops may set ------------------------------------------------------
# PRODUCT rule 9: past the hourly number an enquiry is stored and held for review; 429 only at flood level.
LEADS_PER_ADDRESS_PER_HOUR = env.int("LEADS_PER_ADDRESS_PER_HOUR", default=5)
LEADS_PER_ADDRESS_PER_MINUTE = env.int("LEADS_PER_ADDRESS_PER_MINUTE", default=60)
# Requests a minute: of a program (one token of a clinic, or a partner without a limit of its own), price quotes of a
# person, and of an address that reads the description of the API.
API_REQUESTS_PER_MINUTE = env.int("API_REQUESTS_PER_MINUTE", default=300)
QUOTES_PER_MINUTE = env.int("QUOTES_PER_MINUTE", default=30)
SCHEMA_READS_PER_ADDRESS_PER_MINUTE = env.int("SCHEMA_READS_PER_ADDRESS_PER_MINUTE", default=60)
# What a clinic may buy at once: whole rupees before tax, and the most that one payment can carry, tax included.
TOP_UP_LEAST_PRICE = env.int("TOP_UP_LEAST_PRICE", default=1_000)
TOP_UP_MOST_GROSS = env.int("TOP_UP_MOST_GROSS", default=500_000)
# How long an invitation is good for from when it was made, and how many a clinic may send on one day (India's).
INVITATION_DAYS = env.int("INVITATION_DAYS", default=7)
INVITATIONS_PER_CLINIC_PER_DAY = env.int("INVITATIONS_PER_CLINIC_PER_DAY", default=20)
# How many proxies in front of the web server may be believed about the caller's address.
TRUSTED_PROXY_COUNT = env.int("TRUSTED_PROXY_COUNT", default=0)

# --- payments -------------------------------------------------------------------------------------
# Empty keys: the site runs, top-ups say that they are not set up, and the deploy check refuses.
RAZORPAY_KEY_ID = env.str("RAZORPAY_KEY_ID", default="")
RAZORPAY_KEY_SECRET = env.str("RAZORPAY_KEY_SECRET", default="")
RAZORPAY_WEBHOOK_SECRETS = env.list("RAZORPAY_WEBHOOK_SECRETS", default=[])  # newest first
# Razorpay's newer accounts refuse a second order with one receipt when asked to; older ones do not know the field.
RAZORPAY_UNIQUE_RECEIPT = env.bool("RAZORPAY_UNIQUE_RECEIPT", default=False)
RAZORPAY_API_URL = env.str("RAZORPAY_API_URL", default="https://api.razorpay.com")
RAZORPAY_CHECKOUT_JS_URL = env.str(
    "RAZORPAY_CHECKOUT_JS_URL", default="https://checkout.razorpay.com/v1/checkout.js"
)

# --- logs -----------------------------------------------------------------------------------------
# One line an event: for people with DEBUG, JSON otherwise. Never a patient's data, an address or a query string.
LOG_PROCESSORS: list[Any] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    without_personal_data,
]
structlog.configure(
    processors=[*LOG_PROCESSORS, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
    logger_factory=structlog.stdlib.LoggerFactory(),
    cache_logger_on_first_use=True,
)
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "lines": {
            "()": "structlog.stdlib.ProcessorFormatter",
            "foreign_pre_chain": LOG_PROCESSORS,
            "processors": [
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                without_words_of_exceptions,
                structlog.dev.ConsoleRenderer(
                    colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
                )
                if DEBUG
                else structlog.processors.JSONRenderer(),
            ],
        }
    },
    "loggers": {"procrastinate": {"level": "WARNING"}},  # two lines a job are no news
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "lines"}},
    "root": {"handlers": ["console"], "level": env.str("LOG_LEVEL", default="INFO")},
}
