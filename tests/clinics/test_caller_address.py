"""Whom the limits count: the caller, seen through as many proxies as are trusted, and no further."""

import pytest
from django.test import RequestFactory

from clinics.surfaces import caller_address


@pytest.mark.parametrize(
    ("proxies", "forwarded", "address"),
    [
        (0, "8.8.8.8", "10.0.0.9"),  # not believed
        (1, "49.36.1.2", "49.36.1.2"),
        (1, "8.8.8.8, 49.36.1.2", "49.36.1.2"),  # the first was written by the caller
        (2, "8.8.8.8, 49.36.1.2, 10.0.0.1", "49.36.1.2"),
        (2, "49.36.1.2", "10.0.0.9"),  # fewer hops than proxies: nobody to believe
        (1, "", "10.0.0.9"),
        (1, "not an address", "10.0.0.9"),
        (1, "2001:db8::1", "2001:db8::1"),
    ],
)
def test_the_caller_is_who_the_trusted_proxies_saw(
    settings: pytest.FixtureRequest, proxies: int, forwarded: str, address: str
) -> None:
    settings.TRUSTED_PROXY_COUNT = proxies  # type: ignore[attr-defined]
    headers = {"X-Forwarded-For": forwarded} if forwarded else {}
    request = RequestFactory().get("/", headers=headers | {"Client-IP": "9.9.9.9"}, REMOTE_ADDR="10.0.0.9")

    assert caller_address(request) == address
