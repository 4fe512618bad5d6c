"""Fixtures for tests with real connections."""

import socket
from collections.abc import Iterator

import pytest


@pytest.fixture
def bare_environment(monkeypatch) -> None:
    """No variable of the environment sets a proxy, a certificate bundle or a netrc file."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "NETRC"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def closed_port() -> Iterator[int]:
    """A port of the loopback that refuses connections, because it is bound but not listening."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield bound.getsockname()[1]
