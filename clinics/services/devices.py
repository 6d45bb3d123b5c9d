"""Where somebody is signed in: browsers with a session in force."""

import re
from dataclasses import dataclass
from datetime import datetime
from importlib import import_module
from typing import Final

from allauth.usersessions.models import UserSession
from django.conf import settings
from django.contrib.auth import HASH_SESSION_KEY
from django.contrib.sessions.models import Session
from django.db import transaction
from django.utils import timezone

from clinics.models import User

# The first that fits: most browsers claim to be several others.
BROWSERS: Final = (
    ("Edge", r"Edg(e|A|iOS)?/"),
    ("Samsung Internet", r"SamsungBrowser/"),
    ("Opera", r"OPR/|OPiOS/"),
    ("Firefox", r"Firefox/|FxiOS/"),
    ("Chrome", r"Chrome/|CriOS/"),
    ("Safari", r"Safari/"),
)
SYSTEMS: Final = (
    ("iPhone", r"iPhone"),
    ("iPad", r"iPad"),
    ("Android", r"Android"),
    ("Windows", r"Windows"),
    ("Mac", r"Macintosh"),
    ("ChromeOS", r"CrOS"),
    ("Linux", r"Linux"),
)


@dataclass(frozen=True, slots=True)
class Device:
    """`key` is the row's number, to end it by; a session from before they were listed has none."""

    key: int | None
    browser: str
    system: str
    signed_in_at: datetime | None
    is_here: bool


def devices_of(*, user: User, session_key: str | None, user_agent: str) -> list[Device]:
    """Those whose session still opens the portal, this one first, then the newest. Two statements at any number."""
    rows = list(UserSession.objects.filter(user=user).order_by("-created_at", "-pk"))
    alive = _alive(user, [row.session_key for row in rows])
    found = [
        _device(row.pk, row.user_agent, row.created_at, is_here=row.session_key == session_key)
        for row in rows
        if row.session_key in alive
    ]
    if not any(device.is_here for device in found):
        found.append(_device(None, user_agent, None, is_here=True))
    return sorted(found, key=lambda device: not device.is_here)


@transaction.atomic
def end_devices(*, user: User, session_key: str | None, only: int | None = None) -> int:
    """Signs the others out, or one of them, but never the one in hand; returns how many."""
    rows = UserSession.objects.filter(user=user).exclude(session_key=session_key or "")
    if only is not None:
        rows = rows.filter(pk=only)
    keys = list(rows.values_list("session_key", flat=True))
    ended, _ = Session.objects.filter(pk__in=keys).delete()
    UserSession.objects.filter(user=user, session_key__in=keys).delete()
    return ended


def _alive(user: User, keys: list[str]) -> set[str]:
    """A session from before the password was changed is in the table, and opens nothing."""
    store = import_module(settings.SESSION_ENGINE).SessionStore()
    rows = Session.objects.filter(pk__in=keys, expire_date__gt=timezone.now())
    hashes = {user.get_session_auth_hash(), *user.get_session_auth_fallback_hash()}
    return {
        key
        for key, data in rows.values_list("pk", "session_data")
        if store.decode(data).get(HASH_SESSION_KEY) in hashes
    }


def _device(key: int | None, user_agent: str, signed_in_at: datetime | None, *, is_here: bool) -> Device:
    return Device(key, _first(BROWSERS, user_agent), _first(SYSTEMS, user_agent), signed_in_at, is_here)


def _first(names: tuple[tuple[str, str], ...], user_agent: str) -> str:
    return next((name for name, pattern in names if re.search(pattern, user_agent)), "")
