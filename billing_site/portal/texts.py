"""What scripts say, in the language of the page."""

from typing import Any

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponseBase
from django.utils import translation
from django.utils.decorators import method_decorator
from django.views.decorators.cache import cache_control
from django.views.i18n import JavaScriptCatalog


@method_decorator(cache_control(public=True, max_age=3600), name="dispatch")
class Texts(JavaScriptCatalog):
    """GET /texts/<language>.js: `gettext` and its kin for scripts, with the project's own texts alone.

    The language stands in the address, so that browsers may keep it.
    """

    packages: list[str] | None = ["billing_site"]  # noqa: RUF012  # as the parent has it

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        language = kwargs["language"]
        if language not in dict(settings.LANGUAGES):
            raise Http404("no such language")
        with translation.override(language):
            return super().dispatch(request, *args, **kwargs)

    def get_paths(self, packages: Any) -> list[str]:
        return [str(path) for path in settings.LOCALE_PATHS]
