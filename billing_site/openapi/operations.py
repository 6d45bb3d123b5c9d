"""Every operation of the API. A JSON route that is not here keeps the description from being made."""

from typing import Final

from billing_site.openapi.answers import (
    COUNT,
    FLAG,
    ID,
    MONEY,
    PROGRESS,
    SUCCESS,
    TEXT,
    TIME,
    obj,
    one_of,
    or_null,
    ref,
    rows,
)
from billing_site.openapi.dispute_operations import DISPUTES
from billing_site.openapi.forms import schema_of_form
from billing_site.openapi.operation import Answer, Operation, Who
from billing_site.openapi.portal_operations import PORTAL
from clinics.models import Scope
from credits.api import BalanceApi, HistoryApi
from credits.models import CreditTransaction
from credits.topup_api import CreateRazorpayOrderApi, PaymentSuccessApi, TopUpApi, VerifyPaymentApi
from credits.topup_forms import TopUpForm, VerifyPaymentForm
from leads.api import ContactClinicApi
from leads.clinic_api import MOST_A_PAGE, ClinicLeadApi, ClinicLeadsApi
from leads.forms import PartnerEnquiryForm
from leads.partner_api import MOST_LEADS, ClinicsApi, LeadBatchApi, PartnerLeadApi

ENQUIRY = schema_of_form(PartnerEnquiryForm)
ENQUIRY_EXAMPLE = {
    "clinic_id": 1,
    "package_price": 12000,
    "patient_name": "Asha Patel",
    "mobile_number": "98765 43210",
    "procedure_name": "Dental implant",
    "consent_given": True,
}
KEYED_ENQUIRY = {
    **ENQUIRY,
    "required": [*ENQUIRY["required"], "idempotency_key"],
    "properties": {**ENQUIRY["properties"], "idempotency_key": {**TEXT, "minLength": 1, "maxLength": 100}},
}
CONTACT_CLINIC = Operation(
    view=ContactClinicApi,
    method="post",
    name="contact_clinic",
    tag="Partners",
    summary="Hand over one enquiry",
    description="For a partner's token with the scope `leads:write`, and for the clinic's public page. A partner may"
    " send `package_price` (₹) instead of one of the clinic's packages; a browser sets no price. The answer says"
    " nothing about billing, and the enquiry is stored whatever the clinic's balance.",
    who=(Who.PARTNER, Who.ANYONE),
    scope=Scope.LEADS_WRITE,
    body=ENQUIRY,
    example=ENQUIRY_EXAMPLE,
    media_types=("application/json", "application/x-www-form-urlencoded"),
    keyed=True,
    finds=True,
    throttled=True,
    answers={
        201: Answer(text="Stored.", schema=ref("LeadAccepted"), example={"status": "success", "lead_id": 1})
    },
)
PARTNERS = [
    CONTACT_CLINIC,
    Operation(
        view=LeadBatchApi,
        method="post",
        name="lead_batch",
        tag="Partners",
        summary="Hand over up to 1,000 enquiries",
        description="Each lead has its own `idempotency_key` and its own verdict; one that is refused stops no other."
        " Leads are stored one by one, as `POST /contact-clinic` would, and share its keys. A lead refused as `busy`"
        " is sent again later. A batch counts as one request for each 50 leads begun; its body may have 4 MB.",
        who=(Who.PARTNER,),
        scope=Scope.LEADS_WRITE,
        body=obj(leads={**rows(KEYED_ENQUIRY), "minItems": 1, "maxItems": MOST_LEADS}),
        example={"leads": [{**ENQUIRY_EXAMPLE, "idempotency_key": "enquiry-81236"}]},
        repeat="A batch whose answer never came is sent again as it was: by its leads' own keys, each is stored once.",
        answers={
            200: Answer(
                text="A verdict for each lead, in their order.",
                schema=obj(status=SUCCESS, stored=COUNT, refused=COUNT, results=rows(ref("Verdict"))),
                example={
                    "status": "success",
                    "stored": 1,
                    "refused": 0,
                    "results": [{"index": 0, "status": "success", "lead_id": 1}],
                },
            )
        },
    ),
    Operation(
        view=ClinicsApi,
        method="get",
        name="list_clinics",
        tag="Partners",
        summary="The clinics that take enquiries, with their packages",
        description="100 a page, by id. `next` is the `after` of the next page, null on the last one.",
        who=(Who.PARTNER,),
        scope=Scope.LEADS_WRITE,
        query={"after": ID},
        answers={200: Answer(text="A page.", schema=obj(clinics=rows(ref("Clinic")), next=or_null(ID)))},
    ),
    Operation(
        view=PartnerLeadApi,
        method="get",
        name="own_lead",
        tag="Partners",
        summary="What became of a lead you handed over",
        description="Nothing of the patient, nothing of billing: `received`, `delivered` to the clinic, or `closed`.",
        who=(Who.PARTNER,),
        scope=Scope.LEADS_WRITE,
        answers={
            200: Answer(
                text="The lead.",
                schema=obj(
                    lead_id=ID,
                    clinic_id=ID,
                    package_id=or_null(ID),
                    state={"type": "string", "enum": ["received", "delivered", "closed"]},
                    withdrawn=FLAG,
                    received_at=TIME,
                ),
            )
        },
    ),
]
CLINIC_SYSTEMS = [
    Operation(
        view=ClinicLeadsApi,
        method="get",
        name="clinic_leads",
        tag="Clinics' own systems",
        summary="The leads your clinic received, in the order they were delivered",
        description="Keep `next` and send it as `after` the next time, at once while `more` is true: nothing is missed"
        " or told twice, also not a lead that was held first and delivered days after it came. `contact` is null"
        " while it is masked (the lead was refunded in full) and after the patient withdrew. Each patient's contact"
        " you read is logged, once a day, under the person who made the token.",
        who=(Who.CLINIC,),
        scope=Scope.LEADS_READ,
        query={
            "after": {**TEXT, "maxLength": 40},
            "limit": {"type": "integer", "minimum": 1, "maximum": MOST_A_PAGE},
        },
        answers={
            200: Answer(
                text="A page.", schema=obj(leads=rows(ref("ClinicLead")), next=or_null(TEXT), more=FLAG)
            )
        },
    ),
    Operation(
        view=ClinicLeadApi,
        method="get",
        name="clinic_lead",
        tag="Clinics' own systems",
        summary="One lead of your clinic, in whatever state",
        description="The contact is null while the lead is held or expired, too.",
        who=(Who.CLINIC,),
        scope=Scope.LEADS_READ,
        answers={200: Answer(text="The lead.", schema=ref("ClinicLead"))},
    ),
]
ORDER = Answer(
    text="What Razorpay Checkout is opened with; `amount` in paise, tax included.",
    schema=obj(status=SUCCESS, top_up=ID, order_id=TEXT, amount=COUNT, currency=TEXT, key_id=TEXT),
)
PAID = obj(status=SUCCESS, top_up=ID, **PROGRESS)
CREDITS = [
    Operation(
        view=BalanceApi,
        method="get",
        name="credit_balance",
        tag="Credits",
        summary="The balance, read live",
        who=(Who.CLINIC, Who.MEMBER),
        scope=Scope.CREDITS_READ,
        answers={
            200: Answer(
                text="In credits; 1 credit = ₹1.",
                schema=obj(balance=MONEY, status=SUCCESS),
                example={"balance": 1500.0, "status": "success"},
            )
        },
    ),
    Operation(
        view=HistoryApi,
        method="get",
        name="credit_history",
        tag="Credits",
        summary="Every movement of credits, newest first",
        who=(Who.CLINIC, Who.MEMBER),
        scope=Scope.CREDITS_READ,
        query={
            "page": {"type": "integer", "minimum": 1},
            "limit": {"type": "integer", "minimum": 1, "maximum": 100},
            "type": one_of(CreditTransaction.Type),
            "date_from": {"type": "string", "format": "date"},
            "date_to": {"type": "string", "format": "date"},
        },
        answers={
            200: Answer(
                text="A page.", schema=obj(transactions=rows(ref("Transaction")), total=COUNT, page=COUNT)
            )
        },
    ),
    Operation(
        view=TopUpApi,
        method="get",
        name="price_quote",
        tag="Credits",
        summary="What a top-up would cost and bring",
        description="A package or a free amount in whole rupees before tax, perhaps with a promo code.",
        who=(Who.CLINIC, Who.MEMBER),
        scope=Scope.CREDITS_TOPUP,
        query=schema_of_form(TopUpForm, leave_out=frozenset({"idempotency_key"}))["properties"],
        answers={
            200: Answer(
                text="In rupees and credits.",
                schema=obj(
                    status=SUCCESS,
                    price=MONEY,
                    bonus=MONEY,
                    promo_bonus=MONEY,
                    tax=MONEY,
                    gross=MONEY,
                    credits=MONEY,
                ),
            )
        },
    ),
    *(
        Operation(
            view=view,
            method="post",
            name=name,
            tag="Credits",
            summary=summary,
            description="Nothing is paid yet: a person pays the order with Razorpay Checkout.",
            who=(Who.CLINIC, Who.MEMBER),
            scope=Scope.CREDITS_TOPUP,
            body=schema_of_form(TopUpForm),
            example={"amount": 5000},
            keyed=True,
            answers={200: ORDER},
        )
        for view, name, summary in (
            (
                CreateRazorpayOrderApi,
                "create_razorpay_order",
                "Start a top-up: our record of it, and its order at Razorpay",
            ),
            (TopUpApi, "start_top_up", "Start a top-up: the same as POST /create-razorpay-order"),
        )
    ),
    Operation(
        view=VerifyPaymentApi,
        method="post",
        name="verify_payment",
        tag="Credits",
        summary="Tell us what Razorpay Checkout said after paying",
        who=(Who.MEMBER,),
        body=schema_of_form(VerifyPaymentForm),
        example={
            "razorpay_payment_id": "pay_29QQoUBi66xm2f",
            "razorpay_order_id": "order_9A33XWu170gUtm",
            "razorpay_signature": "9ef4dffbfd84f1318f6739a3ce19f9d85851857ae648f114332d8401e0949a3d",
        },
        finds=True,
        repeat="A payment is credited once; sent again it says how far the top-up is.",
        answers={
            200: Answer(text="Credited.", schema=PAID),
            202: Answer(text="Not captured yet: ask /payment-success after a while.", schema=PAID),
        },
    ),
    Operation(
        view=PaymentSuccessApi,
        method="get",
        name="payment_state",
        tag="Credits",
        summary="How far a top-up is",
        who=(Who.CLINIC, Who.MEMBER),
        scope=Scope.CREDITS_READ,
        query={"top_up": ID},
        finds=True,
        answers={200: Answer(text="Its state, what it brought, the balance.", schema=obj(**PROGRESS))},
    ),
]
OPERATIONS: Final = {
    (operation.view, operation.method): operation
    for operation in (*PARTNERS, *CLINIC_SYSTEMS, *CREDITS, *PORTAL, *DISPUTES)
}
