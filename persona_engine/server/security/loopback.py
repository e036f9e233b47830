"""Which requests come from this machine, sent by nobody else's web page."""

from __future__ import annotations

from ipaddress import ip_address
from urllib.parse import urlsplit

from starlette.requests import HTTPConnection


def is_loopback(host: str) -> bool:
    """Return whether only this machine reaches an address.

    Examples:
        >>> [is_loopback(each) for each in ("127.0.0.1", "localhost", "::1", "0.0.0.0", "a.org")]
        [True, True, True, False, False]
    """
    if host.lower() == "localhost":
        return True
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def from_loopback(request: HTTPConnection) -> bool:
    """Return whether a request was sent by this machine, to this machine, by no foreign page.

    A browser on this machine also sends what pages of others ask it to: the names that a request
    gives for its target (a name may be bound to 127.0.0.1 later) and its origin must be loopback.
    """
    client = request.client
    if client is not None and not is_loopback(client.host):
        return False
    if not is_loopback(_host(f"//{request.headers.get('Host', '')}")):
        return False
    if request.headers.get("Sec-Fetch-Site", "none") == "cross-site":
        return False
    origin = request.headers.get("Origin")
    return origin is None or is_loopback(_host(origin))


def _host(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""
