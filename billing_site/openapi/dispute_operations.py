"""The operations about disputes: of a clinic's members, and of staff. There is no token for them."""

from typing import Any

from billing_site.openapi.answers import (
    FLAG,
    ID,
    MONEY,
    SUCCESS,
    TEXT,
    obj,
    one_of,
    or_null,
    ref,
    rows,
)
from billing_site.openapi.forms import schema_of_form
from billing_site.openapi.operation import Answer, Operation, Who
from disputes.api import (
    AnswerDisputeApi,
    AppealDisputeApi,
    CancelDisputeApi,
    CreateDisputeApi,
    DisputeApi,
    DisputesApi,
    EvidenceApi,
    PreviewApi,
)
from disputes.desk.api import ResolveApi
from disputes.desk.forms import DecisionForm
from disputes.forms import AnswerForm, AppealForm, CaseForm, DisputeForm
from disputes.models import LeadDispute

TAG = "Disputes"
ONE = Answer(text="The dispute as it stands now.", schema=obj(status=SUCCESS, dispute=ref("Dispute")))
WITH_FILES = "Files are sent as `evidence` of a multipart body, at most five of 5 MB: jpg, png, webp or pdf."


def with_text(form: type[CaseForm]) -> dict[str, Any]:
    """JSON holds no files, so the description of its body names none."""
    return schema_of_form(form, leave_out=frozenset({"evidence"}))


DISPUTES = [
    Operation(
        view=DisputesApi,
        method="get",
        name="list_disputes",
        tag=TAG,
        summary="Your clinic's disputes, newest first",
        description="`next_before` is the `before` of the next page, null on the last one.",
        who=(Who.MEMBER,),
        query={"status": one_of(LeadDispute.Status), "lead": ID, "dispute": ID, "before": ID},
        answers={
            200: Answer(
                text="A page.",
                schema=obj(status=SUCCESS, disputes=rows(ref("Dispute")), next_before=or_null(ID)),
            )
        },
    ),
    Operation(
        view=DisputeApi,
        method="get",
        name="one_dispute",
        tag=TAG,
        summary="One dispute with its conversation",
        who=(Who.MEMBER,),
        answers={200: ONE},
    ),
    Operation(
        view=CreateDisputeApi,
        method="get",
        name="dispute_reasons",
        tag=TAG,
        summary="Which reasons count for a lead, until when and with what",
        who=(Who.MEMBER,),
        answers={
            200: Answer(
                text="The reasons.",
                schema=obj(
                    status=SUCCESS, lead_id=ID, refusal=or_null(TEXT), reasons=rows(ref("DisputeReason"))
                ),
            )
        },
    ),
    Operation(
        view=CreateDisputeApi,
        method="post",
        name="file_dispute",
        tag=TAG,
        summary="Dispute a lead",
        description=WITH_FILES,
        who=(Who.MEMBER,),
        body=with_text(DisputeForm),
        with_files=schema_of_form(DisputeForm),
        example={"dispute_type": "invalid_contact", "description": "The number is not in use."},
        keyed=True,
        answers={201: ONE},
    ),
    Operation(
        view=AnswerDisputeApi,
        method="post",
        name="answer_dispute",
        tag=TAG,
        summary="Answer a question about a dispute",
        description=WITH_FILES,
        who=(Who.MEMBER,),
        body=with_text(AnswerForm),
        with_files=schema_of_form(AnswerForm),
        example={"answer": "We called on three days; the recording is attached."},
        keyed=True,
        answers={200: ONE},
    ),
    Operation(
        view=AppealDisputeApi,
        method="get",
        name="appeal_possible",
        tag=TAG,
        summary="Whether a decision can be appealed, and until when",
        who=(Who.MEMBER,),
        answers={
            200: Answer(text="Whether.", schema=obj(status=SUCCESS, dispute_id=ID, appeal=ref("Appeal")))
        },
    ),
    Operation(
        view=AppealDisputeApi,
        method="post",
        name="appeal_dispute",
        tag=TAG,
        summary="Appeal a decision",
        description=WITH_FILES,
        who=(Who.MEMBER,),
        body=with_text(AppealForm),
        with_files=schema_of_form(AppealForm),
        example={"description": "The number was wrong from the start."},
        keyed=True,
        answers={201: ONE},
    ),
    Operation(
        view=CancelDisputeApi,
        method="post",
        name="cancel_dispute",
        tag=TAG,
        summary="Take a dispute back",
        who=(Who.MEMBER,),
        conflicts=True,
        repeat="It is taken back once; then it is a 409, as after a decision.",
        answers={200: ONE},
    ),
    Operation(
        view=EvidenceApi,
        method="get",
        name="dispute_evidence",
        tag=TAG,
        summary="A file sent with a dispute",
        who=(Who.MEMBER,),
        answers={200: Answer(text="The file.", schema=None, media_type="*/*")},
    ),
    Operation(
        view=PreviewApi,
        method="get",
        name="dispute_evidence_preview",
        tag=TAG,
        summary="A small picture of a file sent with a dispute",
        description="404 where the file is no picture.",
        who=(Who.MEMBER,),
        answers={200: Answer(text="The picture.", schema=None, media_type="image/jpeg")},
    ),
    Operation(
        view=ResolveApi,
        method="post",
        name="resolve_dispute",
        tag="Back office",
        summary="Decide a dispute",
        who=(Who.STAFF,),
        body=schema_of_form(DecisionForm),
        example={"action": "reject", "reason_code": "not_confirmed", "admin_notes": "The number answered."},
        conflicts=True,
        repeat="A dispute is decided once: who comes second gets a 409.",
        answers={
            status: Answer(
                text=text,
                schema=obj(
                    status=SUCCESS,
                    dispute_id=ID,
                    dispute_status=one_of(LeadDispute.Status),
                    refund_amount=or_null(MONEY),
                    awaiting_clinic=FLAG,
                    request_id=or_null(ID),
                ),
            )
            for status, text in ((200, "Done."), (202, "It waits for a second person."))
        },
    ),
]
