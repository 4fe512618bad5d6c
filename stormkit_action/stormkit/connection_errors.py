"""Why there was no answer: what the exceptions of requests and of what is below it mean. Pure."""

import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass

import requests
from urllib3.exceptions import NewConnectionError


@dataclass(frozen=True, kw_only=True, slots=True)
class NetworkProblem:
    """Why there was no answer. `sent`: the request may have arrived; `permanent`: repeating it is no use."""

    words: str
    sent: bool = False
    permanent: bool = False


_TLS_FAILED = "the TLS connection failed"
_NO_BUNDLE = NetworkProblem(
    words="REQUESTS_CA_BUNDLE or CURL_CA_BUNDLE names a file that can't be read, or that holds no certificate",
    permanent=True,
)

# In this order: what the chain of causes holds first decides. The words never quote an exception, whose text can hold
# a proxy's password.
_NETWORK_PROBLEMS: tuple[tuple[type[BaseException], NetworkProblem], ...] = (
    (ssl.SSLCertVerificationError, NetworkProblem(words="its TLS certificate is not trusted here", permanent=True)),
    (requests.exceptions.ProxyError, NetworkProblem(words="the proxy did not let the request through")),
    (socket.gaierror, NetworkProblem(words="its host name could not be resolved")),
    (requests.ConnectTimeout, NetworkProblem(words="no connection in time")),
    (ConnectionRefusedError, NetworkProblem(words="the connection was refused")),
    (NewConnectionError, NetworkProblem(words="no connection could be made")),
    (requests.Timeout, NetworkProblem(words="no answer in time", sent=True)),
    (requests.exceptions.SSLError, NetworkProblem(words=_TLS_FAILED, sent=True)),
    (requests.exceptions.InvalidProxyURL, NetworkProblem(words="a proxy variable holds no usable URL", permanent=True)),
    (requests.exceptions.InvalidHeader, NetworkProblem(words="the key can't be sent in a header", permanent=True)),
    (requests.ConnectionError, NetworkProblem(words="the connection broke before the answer came", sent=True)),
    (requests.exceptions.ChunkedEncodingError, NetworkProblem(words="the answer broke off", sent=True)),
    (requests.exceptions.ContentDecodingError, NetworkProblem(words="the answer can't be decoded", sent=True)),
    (requests.RequestException, NetworkProblem(words="the request could not be made", permanent=True)),
    (OSError, _NO_BUNDLE),
)

# What OpenSSL calls a failure to agree on how to talk: nothing had been sent by then.
_HANDSHAKE_REASONS = frozenset(
    {
        "WRONG_VERSION_NUMBER",
        "UNSUPPORTED_PROTOCOL",
        "SSLV3_ALERT_HANDSHAKE_FAILURE",
        "TLSV1_ALERT_PROTOCOL_VERSION",
        "TLSV1_UNRECOGNIZED_NAME",
    }
)


def network_problem(error: BaseException) -> NetworkProblem:
    """What `error` means, from its chain of causes."""
    causes = list(_causes(error))
    for cause in causes:
        if isinstance(cause, ssl.SSLError) and cause.library in ("X509", "PEM", "ASN1"):
            return _NO_BUNDLE
        if isinstance(cause, ssl.SSLError) and cause.reason in _HANDSHAKE_REASONS:
            return NetworkProblem(words=_TLS_FAILED)
    for kind, problem in _NETWORK_PROBLEMS:
        if any(isinstance(cause, kind) for cause in causes):
            return problem
    return NetworkProblem(words="a proxy variable or the URL is malformed", permanent=True)


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
