"""What the portal's own pages ask for about leads: of a clinic's members. There is no token for it."""

from billing_site.openapi.answers import ID, SUCCESS, TEXT, obj, one_of
from billing_site.openapi.forms import schema_of_form
from billing_site.openapi.operation import Answer, Operation, Who
from leads.models import ContactAttempt
from leads.portal_api import AttemptOutcomeApi, RecordAttemptApi, UpdateLeadStatusApi
from leads.portal_forms import AttemptForm, OutcomeForm, StatusForm

ATTEMPT = obj(status=SUCCESS, attempt_id=ID, outcome=one_of(ContactAttempt.Outcome))
PORTAL = [
    Operation(
        view=UpdateLeadStatusApi,
        method="post",
        name="update_lead_status",
        tag="Portal",
        summary="Set the working status of a lead",
        who=(Who.MEMBER,),
        body=schema_of_form(StatusForm),
        example={"lead_id": 1, "status": "contacted"},
        finds=True,
        conflicts=True,
        repeat="The status it has already is no change.",
        answers={200: Answer(text="Set.", schema=obj(status=SUCCESS, lead_id=ID, lead_status=TEXT))},
    ),
    Operation(
        view=RecordAttemptApi,
        method="post",
        name="record_attempt",
        tag="Portal",
        summary="Record that somebody rang or wrote to a patient",
        description="While the contact is visible. A double tap is one attempt.",
        who=(Who.MEMBER,),
        body=schema_of_form(AttemptForm),
        example={"kind": "call", "outcome": "no_answer"},
        keyed=True,
        answers={201: Answer(text="Recorded.", schema=ATTEMPT)},
    ),
    Operation(
        view=AttemptOutcomeApi,
        method="post",
        name="attempt_outcome",
        tag="Portal",
        summary="Say how an attempt went",
        who=(Who.MEMBER,),
        body=schema_of_form(OutcomeForm),
        example={"outcome": "reached"},
        conflicts=True,
        repeat="It is said once: the same again changes nothing, another outcome is a 409.",
        answers={200: Answer(text="Said.", schema=ATTEMPT)},
    ),
]
