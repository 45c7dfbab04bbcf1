"""Pictures that a request names by URL: fetched from public addresses only.

A service that fetches what strangers name can be made to ask its own network (server-side request
forgery, OWASP). So every host is resolved here, all its addresses are checked, and the connection
goes to a checked address rather than to the name, which might resolve differently the next moment.
Each redirect is checked anew.
"""

from __future__ import annotations

import ipaddress
import socket
import time
from collections.abc import Callable

import httpx

from services.catalogue.images import ImageSourceInvalid, ImageTooLarge, ImageUnreachable, brief
from services.settings import Settings

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_MAX_REDIRECTS = 4
_HEADERS = {"User-Agent": "vitrine", "Accept": "image/*", "Accept-Encoding": "identity"}
#: NAT64 (RFC 6052): IPv6 addresses that stand for an IPv4 address.
_NAT64 = ipaddress.ip_network("64:ff9b::/96")


def is_public(address: Address) -> bool:
    """True for a globally reachable unicast address that embeds no other kind of address."""
    if isinstance(address, ipaddress.IPv6Address):
        embedded = address.ipv4_mapped or address.sixtofour
        if address in _NAT64:
            embedded = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if address.teredo is not None or address.is_site_local:
            return False
        if embedded is not None:
            return is_public(embedded)
    return address.is_global and not address.is_multicast and not address.is_reserved


def resolve(host: str, port: int) -> list[Address]:
    """All addresses of a host name. Raises `OSError`."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [ipaddress.ip_address(str(entry[4][0]).partition("%")[0]) for entry in found]


def fetch_public(
    url: str,
    settings: Settings,
    *,
    resolver: Callable[[str, int], list[Address]] = resolve,
    permitted: Callable[[Address], bool] = is_public,
    verify: bool = True,
) -> bytes:
    """The bytes behind an http(s) URL, at most `settings.max_image_bytes`, within `settings.fetch_timeout`.

    Raises `ImageError` for other schemes, for hosts with any address that is not `permitted`, for
    redirects to such, and for whatever goes wrong on the way.
    """
    deadline = time.monotonic() + settings.fetch_timeout
    # No connection is kept: one to this address was greeted by another name.
    with httpx.Client(
        trust_env=False,
        follow_redirects=False,
        verify=verify,
        headers=_HEADERS,
        limits=httpx.Limits(max_keepalive_connections=0),
    ) as client:
        for _ in range(_MAX_REDIRECTS + 1):
            target = _parse(url)
            address = _checked_address(target, resolver, permitted)
            found = _get(client, target, address, settings.max_image_bytes, deadline)
            if isinstance(found, bytes):
                return found
            url = str(target.join(found))
    raise ImageUnreachable(
        f"{brief(url)} redirects too often.", mend="Give the address of the picture itself.", field="image"
    )


def _parse(url: str) -> httpx.URL:
    try:
        target = httpx.URL(url.strip())
    except (httpx.InvalidURL, ValueError) as error:
        raise ImageSourceInvalid(
            f"'{brief(url)}' is no URL ({error}).", mend="Correct the URL.", field="image"
        ) from error
    if target.scheme not in ("http", "https") or not target.host:
        raise ImageSourceInvalid(
            f"'{brief(url)}' is no http(s) URL.",
            mend="Give an http(s) URL or send the picture.",
            field="image",
        )
    return target


def _checked_address(
    target: httpx.URL, resolver: Callable[[str, int], list[Address]], permitted: Callable[[Address], bool]
) -> Address:
    port = target.port or (443 if target.scheme == "https" else 80)
    try:
        addresses = resolver(target.host, port)
    except (OSError, UnicodeError, ValueError) as error:
        raise ImageUnreachable(
            f"The host {target.host} is not known.", mend="Correct the URL.", field="image"
        ) from error
    if not addresses or not all(permitted(address) for address in addresses):
        raise ImageSourceInvalid(
            f"{target.host} is not a public address.",
            mend="Send the picture itself, or use a URL that anyone can open.",
            field="image",
        )
    return addresses[0]


def _get(
    client: httpx.Client, target: httpx.URL, address: Address, limit: int, deadline: float
) -> bytes | str:
    """The body, or the location of a redirect."""
    shown = brief(str(target))
    too_slow = ImageUnreachable(
        f"{shown} did not come in time.", mend="Try later or send the picture itself.", field="image"
    )
    too_large = ImageTooLarge(
        f"The picture file is larger than {limit:,} bytes.",
        mend="Use a smaller file or raise VITRINE_MAX_IMAGE_BYTES.",
        field="image",
    )
    try:
        request = client.build_request(
            "GET",
            target.copy_with(host=str(address)),
            headers={"Host": target.netloc.decode("ascii")},
            # The certificate is checked against the name, not the address.
            extensions={"sni_hostname": target.raw_host.decode("ascii")},
            timeout=max(deadline - time.monotonic(), 0.001),
        )
        response = client.send(request, stream=True)
        try:
            if response.is_redirect and "location" in response.headers:
                return response.headers["location"]
            if not response.is_success:
                raise ImageUnreachable(
                    f"{shown} answered {response.status_code}.", mend="Correct the URL.", field="image"
                )
            data = bytearray()
            for chunk in response.iter_bytes(65536):
                data += chunk
                if len(data) > limit:
                    raise too_large
                # A server that drips never trips the timeout of a single read.
                if time.monotonic() > deadline:
                    raise too_slow
            return bytes(data)
        finally:
            response.close()
    except httpx.TimeoutException as error:
        raise too_slow from error
    except (httpx.HTTPError, httpx.InvalidURL, UnicodeError, ValueError) as error:
        raise ImageUnreachable(
            f"{shown} cannot be fetched ({error}).", mend="Check that the URL opens.", field="image"
        ) from error
