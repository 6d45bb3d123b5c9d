"""The OpenAPI document of all JSON routes of the URLconf, made once a process."""

from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any, Final

from django.urls import URLPattern, URLResolver
from drf_spectacular.generators import EndpointEnumerator, SchemaGenerator
from drf_spectacular.openapi import AutoSchema
from rest_framework.views import APIView

from billing_site.openapi.answers import SCHEMAS, JsonSchema
from billing_site.openapi.operation import IDEMPOTENCY_KEY, refusal_responses
from billing_site.openapi.operations import OPERATIONS

SECURITY_SCHEMES: Final = {
    "token": {
        "type": "http",
        "scheme": "bearer",
        "description": "A clinic's token is made in the portal by its owner, a partner's by our staff. Shown once.",
    },
    "session": {"type": "apiKey", "in": "cookie", "name": "sessionid", "description": "A person's browser."},
    "csrf": {
        "type": "apiKey",
        "in": "header",
        "name": "X-CSRFToken",
        "description": "With a session, for every method but GET: the value of the cookie `csrftoken`.",
    },
}


class NotDescribed(Exception):
    """A JSON route stands in the URLconf that `operations` knows nothing of."""


def json_views(
    patterns: Iterable[URLPattern | URLResolver], prefix: str = ""
) -> Iterator[tuple[str, type[APIView], URLPattern]]:
    """Every JSON view with its route, also those that share it with a page."""
    for pattern in patterns:
        route = prefix + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            if pattern.app_name != "admin":
                yield from json_views(pattern.url_patterns, route)
            continue
        view = getattr(pattern.callback, "json_view", pattern.callback)
        view_class = getattr(view, "cls", None)
        if isinstance(view_class, type) and issubclass(view_class, APIView):
            yield route, view_class, pattern


class Enumerator(EndpointEnumerator):
    def _get_api_endpoints(self, patterns: Any, prefix: str) -> list[tuple[str, str, str, Any]]:
        found = []
        chosen: Any = patterns or self.patterns
        for route, view_class, _ in json_views(chosen, prefix):
            if view_class.schema is None:
                continue  # the description itself
            path = self.get_path_from_regex(route)  # type: ignore[no-untyped-call]
            callback = view_class.as_view()
            methods = self.get_allowed_methods(callback)  # type: ignore[no-untyped-call]
            found += [(path, route, method, callback) for method in methods]
        return found


class OperationSchema(AutoSchema):
    """An operation as the table of them says it, instead of guessed from serializers that most routes do not have."""

    def get_operation(
        self, path: str, path_regex: str, path_prefix: str, method: str, registry: Any
    ) -> JsonSchema:
        operation = OPERATIONS.get((type(self.view), method.lower()))
        if operation is None:
            raise NotDescribed(f"{method} {path}: add it to billing_site/openapi/operations.py")
        names = [part.strip("{}") for part in path.split("/") if part.startswith("{")]
        return operation.as_openapi(names)


class Generator(SchemaGenerator):
    endpoint_inspector_cls = Enumerator

    def get_schema(self, request: Any = None, public: bool = True) -> JsonSchema:  # noqa: FBT001, FBT002
        document: JsonSchema = super().get_schema(request=None, public=True)  # type: ignore[no-untyped-call]
        document["components"] = {
            "schemas": SCHEMAS,
            "responses": refusal_responses(),
            "parameters": {"IdempotencyKey": IDEMPOTENCY_KEY},
            "securitySchemes": SECURITY_SCHEMES,
        }
        return document


@cache
def document() -> JsonSchema:
    """Raises NotDescribed."""
    schema: JsonSchema = Generator().get_schema()  # type: ignore[no-untyped-call]
    return schema
