"""Webhooks over HTTP. Addresses are resolved once, judged, and that very address is called."""

import ipaddress
import socket
from collections.abc import Callable, Mapping
from urllib.parse import urlsplit

import urllib3
from segmentation.domain.errors import Forbidden, Unavailable
from segmentation.ports import Answer

CONNECT_SECONDS, READ_SECONDS = 3.0, 10.0

Resolve = Callable[[str, int], list[str]]


def resolve(host: str, port: int) -> list[str]:
    """The addresses of a host."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(one[4][0]) for one in found))


class HttpWebhooks:
    """Posts to public https addresses only, unless private ones are allowed (for a machine of one's own)."""

    def __init__(self, allow_private: bool = False, look_up: Resolve = resolve) -> None:
        self._allow_private = allow_private
        self._resolve = look_up

    def post(self, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """Post, following no redirect."""
        parts = urlsplit(url)
        host, secure = parts.hostname or "", parts.scheme == "https"
        if not secure and not self._allow_private:
            raise Forbidden("a webhook's address must be https")
        port = parts.port or (443 if secure else 80)
        address = self._address(host, port)
        timeout = urllib3.Timeout(connect=CONNECT_SECONDS, read=READ_SECONDS)
        pool: urllib3.HTTPConnectionPool
        if secure:
            pool = urllib3.HTTPSConnectionPool(
                address, port, timeout=timeout, retries=False, server_hostname=host, assert_hostname=host
            )
        else:
            pool = urllib3.HTTPConnectionPool(address, port, timeout=timeout, retries=False)
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        default = parts.port in (None, 443 if secure else 80)
        sent = {**headers, "host": host if default else f"{host}:{port}"}
        try:
            with pool:
                # What the receiver writes is not read: only its status and one header count.
                response = pool.urlopen(
                    "POST", target, body=body, headers=sent, redirect=False, preload_content=False
                )
                response.close()
                return Answer(response.status, _seconds(response.headers.get("retry-after")))
        except urllib3.exceptions.HTTPError as error:
            raise Unavailable(f"no answer: {type(error).__name__}") from error

    def _address(self, host: str, port: int) -> str:
        try:
            addresses = self._resolve(host, port)
        except OSError as error:
            raise Unavailable("the host's name cannot be resolved") from error
        for address in addresses:
            if not self._allow_private and not ipaddress.ip_address(address.partition("%")[0]).is_global:
                raise Forbidden("the host has a private address; webhooks go to public ones only")
        if not addresses:
            raise Unavailable("the host has no address")
        return addresses[0]


def _seconds(text: str | None) -> int | None:
    return int(text) if text is not None and text.isascii() and text.isdigit() else None
