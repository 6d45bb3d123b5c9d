"""What the JSON routes answer, as JSON Schema. Money is a number with at most two places, in credits (1 credit = ₹1)
unless it says paise; times are ISO 8601 with their offset."""

from typing import Any, Final

from credits.models import CreditTransaction
from disputes.models import DisputeType, LeadDispute
from leads.models import Lead

JsonSchema = dict[str, Any]
MONEY: Final[JsonSchema] = {"type": "number"}  # two places; as a float it is no exact multiple of 0.01
ID: Final[JsonSchema] = {"type": "integer", "minimum": 1, "maximum": 2**63 - 1}
TEXT: Final[JsonSchema] = {"type": "string"}
FLAG: Final[JsonSchema] = {"type": "boolean"}
COUNT: Final[JsonSchema] = {"type": "integer", "minimum": 0}
TIME: Final[JsonSchema] = {"type": "string", "format": "date-time"}
DAY: Final[JsonSchema] = {"type": "string", "format": "date"}
SUCCESS: Final[JsonSchema] = {"const": "success"}


def ref(name: str) -> JsonSchema:
    return {"$ref": f"#/components/schemas/{name}"}


def obj(**properties: JsonSchema) -> JsonSchema:
    """An object that has all of these and nothing else."""
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def rows(item: JsonSchema) -> JsonSchema:
    return {"type": "array", "items": item}


def one_of(choices: Any) -> JsonSchema:
    return {"type": "string", "enum": list(choices.values)}


def or_null(schema: JsonSchema) -> JsonSchema:
    return {"anyOf": [schema, {"type": "null"}]}


LEAD_ACCEPTED = obj(status=SUCCESS, lead_id=ID)
ERROR = obj(
    status={"const": "error"},
    code={"type": "string", "pattern": "^[a-z_]+$", "description": "For programs: it does not change."},
    message={"type": "string", "description": "For a person."},
    fields={
        "type": "object",
        "additionalProperties": rows(TEXT),
        "description": "What is wrong with which field; empty where it is about none.",
    },
)
CONTACT = obj(name=TEXT, phone=TEXT, email=TEXT, procedure_name=TEXT, message=TEXT, guardian_name=TEXT)
CLINIC_LEAD = obj(
    id=ID,
    state=one_of(Lead.DeliveryState),
    held_reason=or_null(one_of(Lead.HeldReason)),
    expired_reason=or_null(one_of(Lead.ExpiredReason)),
    repeat_of=or_null(ID),
    status=one_of(Lead.Status),
    cost=MONEY,
    refunded=MONEY,
    package=or_null(TEXT),
    treatment=or_null(TEXT),
    city=TEXT,
    preferred_date=or_null(DAY),
    contact_intent=one_of(Lead.Intent),
    source=TEXT,
    is_minor=FLAG,
    received_at=TIME,
    delivered_at=or_null(TIME),
    contact=or_null(ref("Contact")),
)
TRANSACTION = obj(
    id=ID,
    created_at=TIME,
    transaction_type=one_of(CreditTransaction.Type),
    amount=MONEY,
    balance_after=MONEY,
    description=TEXT,
    lead_id=or_null(ID),
    payment_id=or_null(TEXT),
    status={"const": "completed"},
)
APPEAL = obj(is_possible=FLAG, until=or_null(DAY), refusal=or_null(TEXT))
DISPUTE = obj(
    id=ID,
    lead_id=ID,
    lead_cost=MONEY,
    lead_refunded=MONEY,
    dispute_type=one_of(DisputeType),
    description=TEXT,
    status=one_of(LeadDispute.Status),
    created_at=TIME,
    due_at=or_null(TIME),
    awaiting_clinic_since=or_null(TIME),
    resolved_at=or_null(TIME),
    reason_code=TEXT,
    admin_notes=TEXT,
    refund_amount=or_null(MONEY),
    is_automatic=FLAG,
    appeal_of=or_null(ID),
    appeal=ref("Appeal"),
    timeline=rows(obj(kind=TEXT, text=TEXT, created_at=TIME)),
    evidence=rows(obj(id=ID, name=TEXT, media_type=TEXT, byte_size=COUNT, url=or_null(TEXT))),
)
REASON = obj(
    dispute_type=one_of(DisputeType),
    label=TEXT,
    guidance=TEXT,
    is_accepted=FLAG,
    until=or_null(DAY),
    evidence_needed=FLAG,
    least_contact_attempts=COUNT,
    contact_attempts=COUNT,
    suggested_percent=or_null(COUNT),
    is_automatic=FLAG,
    refusal=or_null(TEXT),
    refusal_text=TEXT,
)
CLINIC = obj(
    id=ID,
    slug=TEXT,
    name=TEXT,
    city=TEXT,
    state=TEXT,
    pincode=TEXT,
    packages=rows(obj(id=ID, title=TEXT, treatment=TEXT, price=MONEY)),
)
VERDICT: JsonSchema = {
    "oneOf": [
        obj(index=COUNT, status=SUCCESS, lead_id=ID),
        {
            **ERROR,
            "properties": {"index": COUNT, **ERROR["properties"]},
            "required": ["index", *ERROR["required"]],
        },
    ]
}
PROGRESS = {
    "state": {"type": "string", "enum": ["open", "processing", "paid", "failed", "review"]},
    "credits": MONEY,
    "balance": MONEY,
}
SCHEMAS: Final[dict[str, JsonSchema]] = {
    "Appeal": APPEAL,
    "Clinic": CLINIC,
    "ClinicLead": CLINIC_LEAD,
    "Contact": CONTACT,
    "Dispute": DISPUTE,
    "DisputeReason": REASON,
    "Error": ERROR,
    "LeadAccepted": LEAD_ACCEPTED,
    "Transaction": TRANSACTION,
    "Verdict": VERDICT,
}
