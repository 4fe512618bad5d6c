"""Why there was no answer: what the exceptions of requests and of what is below it mean. Pure."""

import re
import socket
import ssl
from collections.abc import Iterator
from typing import NamedTuple

import requests
from urllib3.exceptions import NewConnectionError


class NetworkProblem(NamedTuple):
    """Why there was no answer. `may_have_arrived`: the request may have; `retryable`: it may go through later."""

    text: str
    may_have_arrived: bool = False
    retryable: bool = True


_TLS_FAILED = "the TLS connection failed"
_NO_TLS = NetworkProblem(
    "it answered without TLS, so https:// is wrong in its address, or in that of the proxy", retryable=False
)
_PROXY_PASSWORD = NetworkProblem(
    "the proxy asks for a user name and a password, or does not accept those in the proxy variable (407)",
    retryable=False,
)
# Every 4xx but those that pass: 408 (timeout) and 429 (too many requests).
_REFUSED_BY_PROXY = r"Tunnel connection failed: 4(?!08|29)\d\d"
_SOCKS = NetworkProblem(
    "a proxy variable names a SOCKS proxy, which is not supported: name an HTTP proxy", retryable=False
)
_NO_BUNDLE = NetworkProblem(
    "REQUESTS_CA_BUNDLE or CURL_CA_BUNDLE names a file that can't be read, or that holds no certificate",
    retryable=False,
)

# The first row that matches anything in the chain of causes decides. The texts never quote an exception, which can hold
# a proxy's password.
_NETWORK_PROBLEMS: tuple[tuple[type[BaseException], NetworkProblem], ...] = (
    (ssl.SSLCertVerificationError, NetworkProblem("its TLS certificate is not trusted here", retryable=False)),
    (requests.exceptions.ProxyError, NetworkProblem("the proxy did not let the request through")),
    (socket.gaierror, NetworkProblem("its host name could not be resolved")),
    (requests.ConnectTimeout, NetworkProblem("the connection timed out")),
    (ConnectionRefusedError, NetworkProblem("the connection was refused")),
    (NewConnectionError, NetworkProblem("no connection could be made")),
    (requests.Timeout, NetworkProblem("the request timed out", may_have_arrived=True)),
    (requests.exceptions.SSLError, NetworkProblem(_TLS_FAILED, may_have_arrived=True)),
    (
        requests.exceptions.InvalidProxyURL,
        NetworkProblem("a proxy variable holds no usable URL", retryable=False),
    ),
    (requests.exceptions.InvalidHeader, NetworkProblem("the key can't be sent in a header", retryable=False)),
    (
        requests.ConnectionError,
        NetworkProblem("the connection broke before the answer came", may_have_arrived=True),
    ),
    (requests.exceptions.ChunkedEncodingError, NetworkProblem("the answer broke off", may_have_arrived=True)),
    (
        requests.exceptions.ContentDecodingError,
        NetworkProblem("the answer can't be decoded", may_have_arrived=True),
    ),
    (requests.RequestException, NetworkProblem("the request could not be made", retryable=False)),
    (OSError, _NO_BUNDLE),
)

# What OpenSSL calls a failure to agree on how to talk: nothing had been sent by then.
_HANDSHAKE_REASONS = frozenset(
    {
        "UNSUPPORTED_PROTOCOL",
        "SSLV3_ALERT_HANDSHAKE_FAILURE",
        "TLSV1_ALERT_PROTOCOL_VERSION",
        "TLSV1_UNRECOGNIZED_NAME",
    }
)

# What OpenSSL calls an answer that is no TLS: plain HTTP.
_NO_TLS_REASONS = frozenset({"WRONG_VERSION_NUMBER", "PACKET_LENGTH_TOO_LONG", "RECORD_LAYER_FAILURE"})


def network_problem(error: BaseException) -> NetworkProblem:
    """What `error` means, from its chain of causes."""
    causes = list(_causes(error))
    for cause in causes:
        problem = _by_its_text(cause)
        if problem is not None:
            return problem
    for kind, problem in _NETWORK_PROBLEMS:
        if any(isinstance(cause, kind) for cause in causes):
            return problem
    return NetworkProblem("a proxy variable or the URL is malformed", retryable=False)


def _by_its_text(cause: BaseException) -> NetworkProblem | None:
    """What an exception means whose type alone doesn't tell; None for any other."""
    problem: NetworkProblem | None = None
    if isinstance(cause, ssl.SSLError):
        if cause.library in ("X509", "PEM", "ASN1"):
            problem = _NO_BUNDLE
        elif cause.reason in _NO_TLS_REASONS and _is_of_handshake(cause):
            problem = _NO_TLS
        elif cause.reason in _HANDSHAKE_REASONS:
            problem = NetworkProblem(_TLS_FAILED)
    elif isinstance(cause, requests.exceptions.InvalidSchema) and "SOCKS" in str(cause):
        problem = _SOCKS
    elif isinstance(cause, OSError) and "Tunnel connection failed: 407" in str(cause):
        problem = _PROXY_PASSWORD
    elif isinstance(cause, OSError) and re.search(_REFUSED_BY_PROXY, str(cause)):
        problem = NetworkProblem("the proxy refuses to connect to it", retryable=False)
    return problem


def _is_of_handshake(error: ssl.SSLError) -> bool:
    """Whether the connection failed before anything was sent on it; the same reasons may end an answer."""
    place = error.__traceback__
    while place is not None:
        if place.tb_frame.f_code.co_name == "do_handshake":
            return True
        place = place.tb_next
    return False


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The chain behind an exception: causes, contexts, and urllib3's `reason` and arguments."""
    seen: set[int] = set()
    stack: list[object] = [error]
    while stack:
        cause = stack.pop()
        if isinstance(cause, BaseException) and id(cause) not in seen:
            seen.add(id(cause))
            yield cause
            stack += [cause.__cause__, cause.__context__, getattr(cause, "reason", None), *cause.args]
