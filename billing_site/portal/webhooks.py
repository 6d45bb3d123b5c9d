"""GET, POST /clinic/settings/webhooks and …/<id>: where the clinic's own systems hear of what happens."""

from collections.abc import Callable
from typing import Any, Final

from django import forms
from django.contrib import messages
from django.core.exceptions import BadRequest
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils.functional import cached_property
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from billing_site.outbox.webhook_addresses import LONGEST_URL, UrlRefused, look_up, read_url
from billing_site.outbox.webhook_problems import in_words
from billing_site.outbox.webhooks import send_test
from billing_site.portal.webhook_log import log_of
from billing_site.portal.webhook_slots import NoSlotFree, slot
from clinics import audit
from clinics.form_fields import IdField
from clinics.models import Notice, WebhookDelivery, WebhookEndpoint
from clinics.models.webhooks import KINDS_FOR_PROGRAMS, MOST_ENDPOINTS_OF_A_CLINIC
from clinics.services import webhooks as services
from clinics.services.webhooks import NewSecret, WebhookRefused
from clinics.step_up import ask_again
from clinics.surfaces import OWNER, ClinicRequest
from clinics.throttles import seconds_to_wait
from credits.settings_pages import SettingsPage

SECONDS_FOR_A_NAME: Final = 3.0
CALLS_PER_MINUTE: Final = 6  # of a clinic: look-ups of names, test events, and what is sent again


class KindsForm(forms.Form):
    kinds = forms.MultipleChoiceField(
        label=gettext_lazy("It hears of"),
        choices=KINDS_FOR_PROGRAMS,
        widget=forms.CheckboxSelectMultiple,
    )


class EndpointForm(KindsForm):
    url = forms.CharField(
        label=gettext_lazy("Address"),
        max_length=LONGEST_URL,
        help_text=gettext_lazy(
            "Where your software listens, beginning with https://. It must be reachable from the internet."
        ),
        widget=forms.URLInput({"autocomplete": "off", "placeholder": "https://"}),
    )
    field_order = ("url", "kinds")

    def clean_url(self) -> str:
        """As it will be called."""
        try:
            return read_url(self.cleaned_data["url"]).url
        except UrlRefused as refusal:
            raise forms.ValidationError(in_words(refusal.reason)) from refusal

    def is_found(self) -> bool:
        """What its name leads to, which is looked at again before each request. Raises NoSlotFree."""
        try:
            with slot():
                look_up(read_url(self.cleaned_data["url"]), within=SECONDS_FOR_A_NAME)
        except UrlRefused as refusal:
            self.add_error("url", in_words(refusal.reason))
            return False
        return True


class WebhooksPage(SettingsPage):
    """A secret is shown in the answer to the POST that made it and nowhere else, as with tokens."""

    url_name = "clinic_webhooks"
    roles = OWNER
    http_method_names = ("get", "head", "post", "options")

    def refused(self, text: str, *, status: int = 409, **context: Any) -> HttpResponse:
        return self.render_to_response(self.get_context_data(problem=text, **context), status=status)

    def shown_once(self, made: NewSecret, *, status: int) -> HttpResponse:
        response = self.render_to_response(self.get_context_data(made=made), status=status)
        response["Cache-Control"] = "no-store, private"
        return response

    def is_too_often(self, request: ClinicRequest) -> bool:
        return seconds_to_wait(f"webhook-calls:{request.clinic.pk}", per_minute=CALLS_PER_MINUTE) > 0

    def too_many(self, **context: Any) -> HttpResponse:
        return self.refused(
            _("Others are trying their addresses. Try again in a moment."), status=429, **context
        )


class Webhooks(WebhooksPage):
    """GET, POST /clinic/settings/webhooks: the list, and one more."""

    template_name = "clinic/settings/webhooks.html"

    def post(self, request: ClinicRequest) -> HttpResponse:
        if question := ask_again(request):
            return question
        form = EndpointForm(request.POST)
        if self.is_too_often(request):
            return self.refused(_("That was a lot at once. Try again in a minute."), status=429, form=form)
        try:
            if not (form.is_valid() and form.is_found()):
                return self.render_to_response(self.get_context_data(form=form), status=400)
            with audit.because("Added by an owner"):
                made = services.add_endpoint(clinic=request.clinic, by=request.user, **form.cleaned_data)
        except NoSlotFree:
            return self.too_many(form=form)
        except WebhookRefused as refusal:
            return self.refused(str(refusal), form=form)
        return self.shown_once(made, status=201)

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        mine = WebhookEndpoint.objects.filter(clinic=self.request.clinic, removed_at=None).order_by("pk")
        endpoints = [(endpoint, failure_of(endpoint)) for endpoint in mine]
        kwargs.setdefault("form", EndpointForm(initial={"kinds": [Notice.Kind.LEAD_DELIVERED]}))
        return super().get_context_data(
            endpoints=endpoints, has_room=len(endpoints) < MOST_ENDPOINTS_OF_A_CLINIC, **kwargs
        )


def failure_of(endpoint: WebhookEndpoint) -> str:
    """The last one, in words."""
    return in_words(endpoint.last_failure, endpoint.last_failure_status) if endpoint.last_failure else ""


class LogForm(forms.Form):
    before = IdField(required=False)


class ActionForm(forms.Form):
    action = forms.CharField(max_length=20)
    delivery = IdField(required=False)


class Webhook(WebhooksPage):
    """GET, POST /clinic/settings/webhooks/<id>: how it does, its log, and what can be done about it."""

    template_name = "clinic/settings/webhook.html"

    @cached_property
    def endpoint(self) -> WebhookEndpoint:
        return get_object_or_404(
            WebhookEndpoint, pk=self.kwargs["endpoint_id"], clinic=self.request.clinic, removed_at=None
        )

    def post(self, request: ClinicRequest, endpoint_id: int) -> HttpResponse:
        assert self.endpoint
        action = str(request.POST.get("action", ""))
        if action in WITH_PROOF and (question := ask_again(request)):
            return question
        if action not in ACTIONS:
            raise BadRequest("no such action")
        if action in LIMITED and self.is_too_often(request):
            return self.refused(_("That was a lot at once. Try again in a minute."), status=429)
        try:
            with audit.because("By an owner"):
                return ACTIONS[action](self, request)
        except WebhookRefused as refusal:
            del self.endpoint
            return self.refused(str(refusal))

    def done(self, text: str) -> HttpResponse:
        messages.success(self.request, text)
        return HttpResponseRedirect(reverse("clinic_webhook", args=[self.endpoint.pk]), status=303)

    def change_kinds(self, request: ClinicRequest) -> HttpResponse:
        form = KindsForm(request.POST)
        if not form.is_valid():
            return self.render_to_response(self.get_context_data(form=form), status=400)
        services.change_kinds(endpoint=self.endpoint, kinds=form.cleaned_data["kinds"])
        return self.done(_("Changed: it hears of these from now on."))

    def stop(self, request: ClinicRequest) -> HttpResponse:
        services.stop(endpoint=self.endpoint, because=WebhookEndpoint.StoppedBecause.BY_HAND)
        return self.done(_("Stopped: nothing is sent there for now."))

    def resume(self, request: ClinicRequest) -> HttpResponse:
        made = services.resume(endpoint=self.endpoint)
        if made is not None:
            del self.endpoint
            return self.shown_once(made, status=200)
        if self.endpoint.stopped_because == WebhookEndpoint.StoppedBecause.SILENT:
            return self.done(_("It listens again. What it missed is sent when you press the button below."))
        return self.done(_("It listens again: what happens from now on is sent there."))

    def remove(self, request: ClinicRequest) -> HttpResponse:
        services.remove(endpoint=self.endpoint)
        messages.success(
            request, _("Removed: nothing is sent to %(url)s any more.") % {"url": self.endpoint.url}
        )
        return HttpResponseRedirect(reverse("clinic_webhooks"), status=303)

    def renew_secret(self, request: ClinicRequest) -> HttpResponse:
        made = services.renew_secret(endpoint=self.endpoint, stamp=request.POST.get("stamp", ""))
        del self.endpoint
        return self.shown_once(made, status=200)

    def end_previous(self, request: ClinicRequest) -> HttpResponse:
        services.forget_previous_secret(endpoint=self.endpoint)
        return self.done(_("Ended: the secret before is not used any more."))

    def test(self, request: ClinicRequest) -> HttpResponse:
        try:
            with slot():
                outcome = send_test(self.endpoint)
        except NoSlotFree:
            return self.too_many()
        if not outcome.succeeded:
            problem = in_words(outcome.problem, outcome.status)
            messages.error(request, _("The test did not arrive. %(problem)s") % {"problem": problem})
            return HttpResponseRedirect(reverse("clinic_webhook", args=[self.endpoint.pk]), status=303)
        text = _("The test arrived: it answered %(status)d after %(milliseconds)d ms.")
        return self.done(text % {"status": outcome.status, "milliseconds": outcome.milliseconds})

    def send_again(self, request: ClinicRequest) -> HttpResponse:
        form = ActionForm(request.POST)
        number = form.cleaned_data["delivery"] if form.is_valid() else None
        delivery = get_object_or_404(WebhookDelivery, pk=number, endpoint=self.endpoint)
        services.send_again(endpoint=self.endpoint, delivery=delivery)
        return self.done(_("It is sent again in a moment, under the same id."))

    def send_given_up_again(self, request: ClinicRequest) -> HttpResponse:
        number = services.send_given_up_again(endpoint=self.endpoint)
        text = ngettext("%(n)d event is sent again.", "%(n)d events are sent again.", number)
        return self.done(text % {"n": number})

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        page = LogForm(self.request.GET)
        if not page.is_valid():
            raise BadRequest("before is no number")
        endpoint, before = self.endpoint, page.cleaned_data["before"]
        kwargs.setdefault("form", KindsForm(initial={"kinds": endpoint.kinds}))
        return super().get_context_data(
            endpoint=endpoint,
            failure=failure_of(endpoint),
            is_signed_twice=bool(endpoint.previous_secret),
            stamp=services.stamp_of(endpoint),
            log=log_of(endpoint, before=before),
            is_newest=before is None,
            has_given_up=WebhookDelivery.objects.dead().filter(endpoint=endpoint).exists(),
            **kwargs,
        )


ACTIONS: Final[dict[str, Callable[[Webhook, ClinicRequest], HttpResponse]]] = {
    "kinds": Webhook.change_kinds,
    "stop": Webhook.stop,
    "resume": Webhook.resume,
    "remove": Webhook.remove,
    "secret": Webhook.renew_secret,
    "end_previous": Webhook.end_previous,
    "test": Webhook.test,
    "again": Webhook.send_again,
    "again_all": Webhook.send_given_up_again,
}
# What makes a secret, and what lets somebody hear of more.
WITH_PROOF: Final = frozenset({"kinds", "secret", "resume"})
LIMITED: Final = frozenset({"test", "again", "again_all"})
