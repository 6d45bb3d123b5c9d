"""/api/schema for programs; /api/docs, /api/guide and /api/webhooks for people: the same, readable, and nothing that
comes from other hosts."""

import json
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Any, Final

from django.conf import settings
from django.urls import reverse
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext_lazy
from django.views.generic import TemplateView
from markdown_it import MarkdownIt
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response

from billing_site.openapi.generator import SECURITY_SCHEMES, document
from billing_site.openapi.operation import REFUSALS
from billing_site.openapi.operations import OPERATIONS
from clinics.api import ApiView
from clinics.surfaces import caller_address
from clinics.throttles import Throttle, seconds_to_wait

GUIDES: Final = Path(settings.BASE_DIR) / "docs"
LINKS: Final = {
    "api.md": "api_guide",
    "webhooks.md": "api_webhooks",
}  # where a link in one of them leads here
TAGS: Final = ("Partners", "Clinics' own systems", "Credits", "Portal", "Disputes", "Back office")
ORDER: Final = [operation.name for operation in OPERATIONS.values()]
JSON: Final = "application/json"
MARKDOWN: Final = MarkdownIt("commonmark", {"html": False}).enable("table")


class AddressThrottle(Throttle):
    """Nobody needs to be known to read the description, so an address is counted."""

    def seconds(self, request: Request) -> float:
        limit = settings.SCHEMA_READS_PER_ADDRESS_PER_MINUTE
        return seconds_to_wait(f"schema:{caller_address(request)}", per_minute=limit)


class Schema(ApiView):
    """GET /api/schema: the OpenAPI document."""

    permission_classes = (AllowAny,)
    throttle_classes = (AddressThrottle,)
    schema = None

    def get(self, request: Request) -> Response:
        return Response(document())


class Docs(TemplateView):
    """GET /api/docs: every operation with what it takes and answers, and a line of curl."""

    template_name = "api/docs.html"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        address = self.request.build_absolute_uri("/").rstrip("/")
        described = sorted(
            _operations(address), key=lambda one: (TAGS.index(one["tag"]), ORDER.index(one["id"]))
        )
        groups = [(tag, list(ones)) for tag, ones in groupby(described, key=lambda one: one["tag"])]
        schemes = [(name, _inline(scheme["description"])) for name, scheme in SECURITY_SCHEMES.items()]
        refusals = [(status, _inline(text)) for status, text in REFUSALS.items()]
        return super().get_context_data(
            groups=groups, schemes=schemes, refusals=refusals, title=document()["info"]["title"], **kwargs
        )


class Guide(TemplateView):
    """GET /api/guide: how to begin, with lines to copy. GET /api/webhooks: what we call, and how to check it."""

    template_name = "api/guide.html"
    title = gettext_lazy("Guide to the API")
    document = "api.md"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(guide=guide_as_html(self.document), title=self.title, **kwargs)


def guide_as_html(name: str) -> SafeString:
    text = (GUIDES / name).read_text(encoding="utf-8")
    html = MARKDOWN.render(text).replace("<pre>", '<pre tabindex="0">')  # what scrolls is reached by keyboard
    html = html.replace("<table>", '<div class="api-wide" tabindex="0"><table>')
    html = html.replace("</table>", "</table></div>")
    for other, url_name in LINKS.items():
        html = html.replace(f'href="{other}"', f'href="{reverse(url_name)}"')
    safe: SafeString = mark_safe(html)  # noqa: S308  (our own file, HTML in it is escaped)
    return safe


def _inline(text: str) -> SafeString:
    safe: SafeString = mark_safe(MARKDOWN.renderInline(text))  # noqa: S308  (our own words, HTML in them is escaped)
    return safe


def _operations(address: str) -> Iterator[dict[str, Any]]:
    for path, methods in document()["paths"].items():
        for method, operation in methods.items():
            yield {
                "id": operation["operationId"],
                "tag": operation["tags"][0],
                "method": method.upper(),
                "path": path,
                "summary": operation["summary"],
                "description": _inline(operation["description"]) if _says_more(operation) else "",
                "callers": [_caller(way) for way in operation["security"]],
                "fields": list(_fields(operation)),
                "answers": [
                    _answer(status, answer)
                    for status, answer in operation["responses"].items()
                    if "$ref" not in answer
                ],
                "refusals": [status for status, answer in operation["responses"].items() if "$ref" in answer],
                "curl": _curl(address, path, method, operation),
            }


def _caller(way: dict[str, list[str]]) -> str:
    if "token" in way:
        return f"a token with the scope {way['token'][0]}"
    return "a signed-in person" if way else "anybody"


def _fields(operation: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for parameter in operation["parameters"]:
        if "$ref" in parameter:
            yield {"name": "Idempotency-Key", "where": "header", "kind": "text, at most 100 characters"}
        else:
            yield {
                "name": parameter["name"],
                "where": parameter["in"],
                "kind": _kind(parameter["schema"]),
                "needed": parameter.get("required", False),
            }
    content = operation.get("requestBody", {"content": {}})["content"]
    body = content[JSON]["schema"] if content else {"properties": {}}
    for name, schema in body["properties"].items():
        needed = name in body.get("required", ())
        yield {"name": name, "where": "body", "kind": _kind(schema), "needed": needed}


def _kind(schema: dict[str, Any]) -> str:
    """A field's type and limits in a few words."""
    if "const" in schema:
        return json.dumps(schema["const"])
    words: str = {"string": "text", "integer": "whole number"}.get(schema["type"], schema["type"])
    if "enum" in schema:
        return " | ".join(schema["enum"])
    if schema["type"] == "array":
        return f"list of {schema['minItems']} to {schema['maxItems']:,} objects as in the example"
    if "maxLength" in schema:
        words += f", at most {schema['maxLength']:,} characters"
    if schema.get("format"):
        words += f" ({schema['format']})"
    return words + (f". {schema['description']}" if "description" in schema else "")


def _says_more(operation: dict[str, Any]) -> bool:
    return bool(operation["description"] != operation["summary"])


def _answer(status: str, answer: dict[str, Any]) -> dict[str, str]:
    content = next(iter(answer["content"].values()))
    example = json.dumps(content["example"], indent=2) if "example" in content else ""
    return {
        "status": status,
        "text": _inline(answer["description"]),
        "example": example,
        "shape": _shape(content["schema"]),
    }


def _shape(schema: dict[str, Any]) -> str:
    """The names in an answer, as one line."""
    if "$ref" in schema:
        return _shape(document()["components"]["schemas"][schema["$ref"].rpartition("/")[2]])
    if "oneOf" in schema:
        return " or ".join(_shape(one) for one in schema["oneOf"])
    if schema.get("type") == "array":
        return f"[{_shape(schema['items'])}, …]"
    if "properties" in schema:
        inner = (name + _inside(one) for name, one in schema["properties"].items())
        return "{" + ", ".join(inner) + "}"
    return ""


def _inside(schema: dict[str, Any]) -> str:
    shape = _shape(schema)
    return f": {shape}" if shape else ""


def _curl(address: str, path: str, method: str, operation: dict[str, Any]) -> str:
    """A line to copy, where a token opens the route."""
    if not any("token" in way for way in operation["security"]):
        return ""
    for name in (parameter["name"] for parameter in operation["parameters"] if parameter.get("in") == "path"):
        path = path.replace(f"{{{name}}}", "1")
    parts = [f'curl "{address}{path}" -H "Authorization: Bearer $TOKEN"']
    if method == "post":
        body = operation["requestBody"]["content"][JSON]["example"]
        if any("$ref" in parameter for parameter in operation["parameters"]):
            parts.append('-H "Idempotency-Key: my-own-number-1"')
        parts.append(f"--json '{json.dumps(body)}'")
    return " \\\n  ".join(parts)
