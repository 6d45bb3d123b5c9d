"""GET, POST /mail/stop/<token>: the link in each mail that switches its kind off, also signed out."""

from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.shortcuts import render
from django.utils.decorators import method_decorator
from django.views import View
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt

from billing_site.outbox.stop_links import KINDS, is_stopped, read_token, stop
from clinics.surfaces import csrf_failure_of, forbidden_by_csrf


@method_decorator([csrf_exempt, never_cache], name="dispatch")
class StopMails(View):
    """Looking changes nothing: programs that look through mails open every link in them.

    A mail program's own button sends `List-Unsubscribe=One-Click` without cookies (RFC 8058): the signed link is its
    proof. A browser's form is checked as any other. Nobody is told whether the member still works at the clinic.
    """

    http_method_names = ("get", "head", "post", "options")

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        found = read_token(kwargs["token"])
        if found is None:
            return render(request, "public/stop_mails_broken.html", status=404)
        self.membership, self.kind = found
        return super().dispatch(request, *args, **kwargs)

    def get(self, request: HttpRequest, token: str) -> HttpResponse:
        return self.page(is_stopped=is_stopped(self.membership, self.kind))

    def post(self, request: HttpRequest, token: str) -> HttpResponseBase:
        is_one_click = request.POST.get("List-Unsubscribe") == "One-Click"
        if not is_one_click and csrf_failure_of(request) is not None:
            return forbidden_by_csrf(request)
        stop(self.membership, self.kind)
        if is_one_click:
            return self.page(is_stopped=True)  # RFC 8058: mail programs follow no redirect
        return HttpResponseRedirect(request.path, status=303)

    def page(self, *, is_stopped: bool) -> HttpResponse:
        facts = {"clinic": self.membership.clinic, "kind": KINDS[self.kind], "is_stopped": is_stopped}
        return render(self.request, "public/stop_mails.html", facts)
