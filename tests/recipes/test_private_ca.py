"""The recipe for a Stormkit with a private certificate authority, over real TLS."""

import ipaddress
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from sandbox.stormkit.server import Build, Stormkit

SYSTEM_CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")


class SecureStormkit(Stormkit):
    """A Stormkit that speaks TLS."""

    def __init__(self, context: ssl.SSLContext) -> None:
        super().__init__()
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)

    @property
    def url(self) -> str:
        """Origin."""
        return super().url.replace("http://", "https://")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory) -> Path:
    """A self-signed certificate for 127.0.0.1, in one file with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Example CA")])
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime.now(UTC) - timedelta(days=1))
        .not_valid_after(datetime.now(UTC) + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path = tmp_path_factory.mktemp("ca") / "example-ca.pem"
    path.write_bytes(signed.public_bytes(serialization.Encoding.PEM) + private)
    return path


@pytest.fixture
def stormkit(certificate):
    """A Stormkit that speaks TLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with SecureStormkit(context) as server:
        server.default_build = Build(seconds=0.1)
        yield server


def add_certificate_to_workspace(recipe, certificate: Path) -> None:
    folder = recipe.workspace / "certificates"
    folder.mkdir(parents=True)
    text = certificate.read_text(encoding="utf-8")
    (folder / certificate.name).write_text(text.partition("-----BEGIN PRIVATE")[0], encoding="utf-8")


@pytest.mark.skipif(not SYSTEM_CERTIFICATES.exists(), reason=f"the recipe's script reads {SYSTEM_CERTIFICATES}")
def test_the_recipe_s_certificate_bundle_makes_the_server_trusted(recipe, certificate):
    workflow = recipe("self-hosted-stormkit", shell=True)
    add_certificate_to_workspace(workflow, certificate)
    (finished,) = workflow.run()
    assert (finished.exit_code, finished.outputs["status"]) == (0, "success"), finished.log
    assert workflow.stormkit.builds == 1


@pytest.mark.threat("A hostile API answer")
def test_without_a_certificate_bundle_no_request_is_sent_and_the_error_names_the_variable(recipe, tmp_path):
    workflow = recipe("preview")
    (finished,) = workflow.run()
    assert finished.exit_code == 1
    assert "REQUESTS_CA_BUNDLE" in finished.outputs["reason"]
    assert workflow.stormkit.requests == []
