"""Refusals in Razorpay's own words."""

from typing import Any


class ApiError(Exception):
    """An answer other than 2xx; `body` is what goes over the wire."""

    def __init__(self, status: int, body: dict[str, Any]) -> None:
        super().__init__(f"{status} {body}")
        self.status = status
        self.body = body


def refused(
    description: str,
    *,
    status: int = 400,
    code: str = "BAD_REQUEST_ERROR",
    reason: str = "input_validation_failed",
    source: str = "business",
    step: str = "payment_initiation",
    field: str | None = None,
) -> ApiError:
    error: dict[str, Any] = {
        "code": code,
        "description": description,
        "source": source,
        "step": step,
        "reason": reason,
        "metadata": {},
    }
    if field is not None:
        error["field"] = field
    return ApiError(status, {"error": error})


def unknown_id() -> ApiError:
    return refused("The id provided does not exist")


def unknown_url() -> ApiError:
    return refused("The requested URL was not found on the server.", status=404)


def dispute_refused(description: str) -> ApiError:
    """The disputes API has an error shape of its own (Razorpay docs, api/disputes/fetch-all)."""
    return ApiError(400, {"status_code": 400, "success": False, "errors": [description]})
