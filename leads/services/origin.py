"""Where an enquiry came from, for the limits of rule 9: what counts as one address, and how it is kept."""

from ipaddress import IPv6Address, ip_address, ip_network
from typing import Final

from clinics.idempotency import keyed_digest

# What one line is commonly given at most (RFC 6177): all bits behind it are the subscriber's own to choose.
ONE_SUBSCRIBER: Final = 56


def counted_as(address: str) -> str:
    """One IPv4 address, or the /56 an IPv6 address lies in; anything else as it is."""
    try:
        ip = ip_address(address)
    except ValueError:
        return address
    if not isinstance(ip, IPv6Address):
        return str(ip)
    if ip.ipv4_mapped is not None:
        return str(ip.ipv4_mapped)
    return str(ip_network((int(ip), ONE_SUBSCRIBER), strict=False))


def address_digest(address: str) -> bytes:
    """A keyed digest: whoever reads the table learns no address."""
    return keyed_digest("address", counted_as(address))
