"""One request over HTTP: its headers and redirects, and why it failed."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING
from urllib.parse import urljoin, urlsplit

from study import __version__
from study.errors import FetchError

if TYPE_CHECKING:
    from requests import Response, Session

# Servers of data sets have been seen to refuse what does not begin like a browser.
HEADERS = {
    "User-Agent": f"Mozilla/5.0 (compatible; study/{__version__})",
    "Accept": "*/*",
    "Accept-Encoding": "identity",
}
_MOST_REDIRECTS = 10


@dataclass(frozen=True, kw_only=True)
class Limits:
    """How long a download waits, how often it is tried, and how large it may become."""

    connect_seconds: float = 10.0
    read_seconds: float = 30.0
    """Longest silence of the server."""
    attempts: int = 5
    blind_attempts: int = 2
    """Attempts when the server has not answered at all."""
    first_wait: float = 1.0
    """Seconds before the second attempt; they double from attempt to attempt."""
    longest_wait: float = 60.0
    """Seconds; a server that asks for more is not waited for."""
    most_bytes: int = 100_000_000


class Failed(Exception):
    """One attempt failed; ``final`` when another would fail as well."""

    def __init__(
        self, cause: str, *, final: bool = False, answered: bool = True, wait: float | None = None
    ) -> None:
        super().__init__(cause)
        self.final = final
        self.answered = answered
        self.wait = wait


def check_address(url: str, *, origin: str | None = None) -> None:
    """Raise ``FetchError`` unless the address is of http or https and no step down from https."""
    try:
        parts = urlsplit(url)
        there = bool(parts.scheme in ("http", "https") and parts.hostname)
    except ValueError:
        there = False
    if not there:
        raise FetchError(f"{shown(url)}: not an address of http or https")
    if origin is not None and urlsplit(origin).scheme == "https" and parts.scheme == "http":
        raise FetchError(f"{shown(origin)}: leads from https to http ({shown(url)}), refused")


def get(session: Session, url: str, headers: dict[str, str], limits: Limits) -> Response:
    """Send the request, and follow redirects by hand: none may lead from https to http."""
    import requests

    timeout = (limits.connect_seconds, limits.read_seconds)
    for _ in range(_MOST_REDIRECTS):
        try:
            response = session.get(
                url, headers=headers, stream=True, allow_redirects=False, timeout=timeout
            )
        except requests.exceptions.SSLError as error:
            raise Failed(f"no safe connection ({in_words(error)})", final=True) from error
        except (requests.ConnectionError, requests.Timeout) as error:
            cause = connection_cause(error, limits)
            raise Failed(cause, answered=not _is_blind(error)) from error
        except (requests.RequestException, ValueError) as error:
            raise Failed(f"cannot be asked for ({in_words(error)})", final=True) from error
        if not response.is_redirect:
            return response
        response.close()
        try:
            origin, url = url, urljoin(url, response.headers["Location"])
            check_address(url, origin=origin)
        except (FetchError, ValueError) as error:
            raise Failed(f"redirected: {in_words(error)}", final=True) from error
    raise Failed(f"more than {_MOST_REDIRECTS} redirects", final=True)


def retry_after(value: str | None) -> float | None:
    """Return the seconds that a ``Retry-After`` header asks for: a number, or a date."""
    if not value:
        return None
    if value.strip().isdecimal():
        return float(value)
    try:
        date = parsedate_to_datetime(value)
    except ValueError:
        return None
    date = date if date.tzinfo else date.replace(tzinfo=UTC)
    return max(0.0, (date - datetime.now(UTC)).total_seconds())


def connection_cause(error: Exception, limits: Limits) -> str:
    """Return what went wrong with a connection, in a few words."""
    from requests.exceptions import ConnectTimeout, ProxyError, Timeout

    text = str(error)
    if isinstance(error, ConnectTimeout):
        return f"no connection within {limits.connect_seconds:g} s"
    if isinstance(error, Timeout) or "Read timed out" in text:
        return f"no data for {limits.read_seconds:g} s"
    if isinstance(error, ProxyError):
        return "the proxy that the environment names cannot be used"
    if _is_blind(error):
        known = {
            "refused": "the connection is refused",
            "unreachable": "the network is unreachable",
        }
        unknown = "the server's name is not found (is there a network?)"
        return next((said for word, said in known.items() if word in text), unknown)
    return "the connection broke off"


def _is_blind(error: Exception) -> bool:
    """Tell whether the server has not been reached at all."""
    from requests.exceptions import ConnectTimeout, ProxyError

    # urllib3 says so only in words: "Failed to resolve", "Failed to establish".
    return isinstance(error, ConnectTimeout | ProxyError) or "Failed to " in str(error)


def in_words(error: Exception) -> str:
    """Return an error's message on one line, 120 characters of it at most."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= 120 else text[:120] + "..."


def shown(url: str) -> str:
    """Return an address for a message, without a password in it."""
    return re.sub(r"//[^/@]*@", "//", url)
