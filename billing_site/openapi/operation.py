"""How one operation of the API is described, and what follows from that by itself: parameters and refusals."""

from dataclasses import dataclass, field
from enum import StrEnum
from http import HTTPStatus
from typing import Any, Final

from rest_framework.views import APIView

from billing_site.openapi.answers import ID, TEXT, JsonSchema, ref

RETRY_AFTER: Final = {
    "Retry-After": {"description": "Seconds to wait.", "schema": {"type": "integer", "minimum": 1}}
}
REFUSALS: Final = {
    400: "Something sent is wrong; `fields` says what. Nothing was stored.",
    401: "No valid sign-in or token: missing, unknown, expired or revoked.",
    403: "Signed in, but not allowed: another scope or role is needed, or the CSRF token is missing.",
    404: "There is no such thing, or it is somebody else's: both answer the same.",
    409: "It cannot be done in the state things are in, or the idempotency key stands for another request.",
    413: "The body is too large.",
    415: "The body is of a type this route does not read.",
    429: "Too many requests at once. Nothing was stored; `Retry-After` says when to come back.",
    503: "We, or the payment service, can't serve for a moment. Send it again, with the same idempotency key.",
}


class Who(StrEnum):
    """Who may call an operation; tokens name their scope."""

    PARTNER = "partner"  # a partner's token
    CLINIC = "clinic"  # a clinic's token
    MEMBER = "member"  # signed in to the portal
    STAFF = "staff"  # signed in to the back office
    ANYONE = "anyone"


@dataclass(frozen=True, kw_only=True)
class Answer:
    """`schema` None: the body is a file."""

    text: str
    schema: JsonSchema | None
    example: Any = None
    media_type: str = "application/json"


@dataclass(frozen=True, kw_only=True)
class Operation:
    """One method of one route. `scope` is what a token needs; `conflicts` and `finds` add 409 and 404; `keyed`: it
    makes something, so it takes an idempotency key; any other POST says in `repeat` what sending it again does;
    `with_files` is the body as multipart."""

    view: type[APIView]
    method: str
    name: str
    tag: str
    summary: str
    who: tuple[Who, ...]
    answers: dict[int, Answer]
    description: str = ""
    scope: str | None = None
    query: dict[str, JsonSchema] = field(default_factory=dict)
    body: JsonSchema | None = None
    example: Any = None
    media_types: tuple[str, ...] = ("application/json",)
    with_files: JsonSchema | None = None
    keyed: bool = False
    repeat: str = ""
    finds: bool = False
    conflicts: bool = False
    throttled: bool = False

    def refusals(self, *, has_path_parameters: bool) -> list[int]:
        statuses = {401, 503}
        statuses |= {400} if self.query or self.body else set()
        statuses |= {413, 415} if self.body else set()
        statuses |= {403} if self.who != (Who.ANYONE,) or self.method != "get" else set()
        statuses |= {404} if self.finds or has_path_parameters else set()
        statuses |= {409} if self.conflicts or self.keyed else set()
        statuses |= {429} if self.scope or self.throttled else set()
        return sorted(statuses)

    def as_openapi(self, path_parameters: list[str]) -> JsonSchema:
        described: JsonSchema = {
            "operationId": self.name,
            "summary": self.summary,
            "description": " ".join(filter(None, (self.description or self.summary, self.repeat))),
            "tags": [self.tag],
            "parameters": self.parameters(path_parameters),
            "security": self.security(),
            "responses": {str(status): _response(status, answer) for status, answer in self.answers.items()},
        }
        for status in self.refusals(has_path_parameters=bool(path_parameters)):
            described["responses"][str(status)] = {"$ref": f"#/components/responses/{refusal_name(status)}"}
        if self.body:
            content: JsonSchema = {"schema": self.body}
            if self.example is not None:
                content["example"] = self.example
            described["requestBody"] = {
                "required": True,
                "content": dict.fromkeys(self.media_types, content),
            }
            if self.with_files:
                described["requestBody"]["content"]["multipart/form-data"] = {"schema": self.with_files}
        return described

    def parameters(self, path_parameters: list[str]) -> list[JsonSchema]:
        found: list[JsonSchema] = [
            {"name": name, "in": "path", "required": True, "schema": ID} for name in path_parameters
        ]
        found += [{"name": name, "in": "query", "schema": schema} for name, schema in self.query.items()]
        if self.keyed:
            found.append({"$ref": "#/components/parameters/IdempotencyKey"})
        return found

    def security(self) -> list[JsonSchema]:
        """Any one of these opens it."""
        ways: list[JsonSchema] = []
        if self.scope and {Who.PARTNER, Who.CLINIC} & set(self.who):
            ways.append({"token": [self.scope]})
        if {Who.MEMBER, Who.STAFF} & set(self.who):
            ways.append({"session": []} if self.method == "get" else {"session": [], "csrf": []})
        if Who.ANYONE in self.who:
            ways.append({})
        return ways


def _response(status: int, answer: Answer) -> JsonSchema:
    schema = answer.schema or {"type": "string", "format": "binary"}
    content: JsonSchema = {"schema": schema}
    if answer.example is not None:
        content["example"] = answer.example
    return {"description": answer.text, "content": {answer.media_type: content}}


def refusal_name(status: int) -> str:
    return "".join(word.capitalize() for word in HTTPStatus(status).phrase.replace("-", " ").split())


def refusal_responses() -> JsonSchema:
    return {
        refusal_name(status): {
            "description": text,
            "content": {"application/json": {"schema": ref("Error"), "example": _example(status, text)}},
            **({"headers": RETRY_AFTER} if status in (429, 503) else {}),
        }
        for status, text in REFUSALS.items()
    }


def _example(status: int, text: str) -> JsonSchema:
    codes = {
        400: "invalid",
        401: "authentication_failed",
        403: "permission_denied",
        404: "not_found",
        409: "idempotency_key_reused",
        413: "too_large",
        415: "unsupported_media_type",
        429: "too_many_requests",
        503: "busy",
    }
    fields = {"mobile_number": ["Please check the number: ten digits for India."]} if status == 400 else {}
    return {"status": "error", "code": codes[status], "message": text.partition(";")[0], "fields": fields}


IDEMPOTENCY_KEY: Final[JsonSchema] = {
    "name": "Idempotency-Key",
    "in": "header",
    "description": "Printable ASCII without spaces, made by you, one for each thing to be made. Sent again with the"
    " same body within 30 days it makes nothing new and answers as it did; with another body it is a 409.",
    "schema": {**TEXT, "maxLength": 100, "pattern": "^[!-~]*$"},
}
