"""Which language a page is written in: what the member chose, else what the browser asks for."""

from collections.abc import Callable
from typing import Final

from django import forms
from django.conf import settings
from django.http import HttpRequest, HttpResponseBase, HttpResponseRedirect
from django.utils import translation
from django.utils.cache import patch_vary_headers
from django.utils.http import url_has_allowed_host_and_scheme
from django.views import View

from clinics.models import Language, User

ENGLISH_ONLY: Final = "/admin"  # staff read each other's words there, and those are English


class LanguageMiddleware:
    """Stands behind the one that knows the user. Django's own would know the browser alone."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        language = language_for(request)
        request.LANGUAGE_CODE = language
        with translation.override(language):
            response = self.get_response(request)
        patch_vary_headers(response, ["Accept-Language"])
        response.headers.setdefault("Content-Language", language)
        return response


def language_for(request: HttpRequest) -> str:
    if request.path_info.startswith(ENGLISH_ONLY):
        return Language.ENGLISH.value  # a header takes a plain text
    user = request.user
    chosen = user.language if isinstance(user, User) else ""
    return chosen or translation.get_language_from_request(request)


class LanguageForm(forms.Form):
    language = forms.ChoiceField(choices=Language.choices)
    next = forms.CharField(required=False)


class ChooseLanguage(View):
    """POST /language: from here on in this language, here (a cookie) and, for somebody signed in, everywhere."""

    http_method_names = ("post", "options")

    def post(self, request: HttpRequest) -> HttpResponseBase:
        form = LanguageForm(request.POST)
        back = request.POST.get("next", "")
        if not url_has_allowed_host_and_scheme(back, allowed_hosts=None):
            back = "/"
        response = HttpResponseRedirect(back, status=303)
        if not form.is_valid():
            return response  # an unknown language changes nothing
        language = form.cleaned_data["language"]
        response.set_cookie(
            settings.LANGUAGE_COOKIE_NAME,
            language,
            max_age=settings.LANGUAGE_COOKIE_AGE,
            secure=settings.LANGUAGE_COOKIE_SECURE,
            httponly=settings.LANGUAGE_COOKIE_HTTPONLY,
            samesite="Lax",
        )
        if isinstance(request.user, User):
            User.objects.filter(pk=request.user.pk).update(language=language)
        return response
