"""From a request to its answer, through whatever fault is in force for it."""

import contextlib
import json
from typing import TYPE_CHECKING, Any

from . import api, checkout, control
from .errors import ApiError
from .exchange import Request, Response, compact_json, json_response
from .faults import Fault

if TYPE_CHECKING:
    from .sandbox import Sandbox


def answer(sandbox: "Sandbox", request: Request) -> Response | None:
    """The response, or None when the line shall be cut."""
    if request.path.startswith(control.PREFIX):
        return control.answer(sandbox, request)
    fault = sandbox.faults.take("api", request.path, request.method)
    return run(sandbox, request) if fault is None else run_with(fault, sandbox, request)


def run(sandbox: "Sandbox", request: Request) -> Response:
    try:
        if checkout.serves(request.path):
            return checkout.answer(sandbox, request)
        return api.answer(sandbox, request)
    except ApiError as error:
        return json_response(error.body, error.status)


def run_with(fault: Fault, sandbox: "Sandbox", request: Request) -> Response | None:  # noqa: PLR0911
    parameters = fault.parameters
    match fault.do:
        case "drop_before":
            return None
        case "drop_after":
            run(sandbox, request)
            return None
        case "slow":
            key = request.headers.get("x-refund-idempotency")
            working = sandbox.refund_key_in_progress(key) if key else contextlib.nullcontext()
            with working:
                sandbox.stopping.wait(parameters["s"])
            return run(sandbox, request)
        case "slow_after":
            response = run(sandbox, request)
            sandbox.stopping.wait(parameters["s"])
            return response
        case "status":
            if parameters["after"]:
                run(sandbox, request)
            return made_up(parameters)
        case "empty":
            run(sandbox, request)
            return Response(parameters["status"], b"")
        case "bad_json":
            response = run(sandbox, request)
            return Response(response.status, response.body[: len(response.body) // 2])
        case _:
            return patched(run(sandbox, request), parameters["fields"])


def made_up(parameters: dict[str, Any]) -> Response:
    body = parameters["body"]
    raw = body.encode() if isinstance(body, str) else compact_json(body)
    headers = {str(name): str(value) for name, value in parameters["headers"].items()}
    return Response(parameters["status"], raw, parameters["ctype"], headers)


def patched(response: Response, fields: dict[str, Any]) -> Response:
    """Other values in the entity, or in each entity of a collection."""
    if response.content_type != "application/json":
        return response
    value = json.loads(response.body)
    for entity in value.get("items", [value]):
        entity.update(fields)
    return json_response(value, response.status)
