"""What every page of the settings shares: the list of them, each for those who may use it."""

from dataclasses import dataclass
from typing import Any, Final

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from clinics.models import Membership
from clinics.surfaces import OWNER, OWNER_AND_BILLING
from credits.portal import PortalPage

EVERYBODY: Final = frozenset(Membership.Role.values)


@dataclass(frozen=True, slots=True)
class Item:
    """One entry of the list of settings. `roles` may open the page; the page itself says so too."""

    url_name: str
    label: str | Promise
    icon: str
    roles: frozenset[str] = EVERYBODY


ITEMS: Final = (
    Item("clinic_settings", _("Clinic"), "building-2"),
    Item("clinic_members", _("People"), "users", OWNER),
    Item("clinic_limits", _("Limits"), "gauge", OWNER_AND_BILLING),
    Item("clinic_alerts", _("Alerts"), "bell-ring"),
    Item("clinic_tokens", _("Programs"), "key-round", OWNER),
    Item("clinic_webhooks", _("Webhooks"), "webhook", OWNER),
    Item("clinic_security", _("You"), "user-round"),
    Item("clinic_support", _("Help"), "life-buoy"),
)


class SettingsPage(PortalPage):
    """A page of the settings; `url_name` is its own entry in the list."""

    section = "settings"
    url_name = ""

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        role = self.request.membership.role
        items = [item for item in ITEMS if role in item.roles]
        return super().get_context_data(settings_pages=items, here=self.url_name, **kwargs)
