"""A certificate authority that lives as long as the process, and the certificates that a client must judge.

Made with `cryptography`, which has the builders for all four kinds; helpers on top of it know the good kind only.
"""

from __future__ import annotations

import datetime
import ipaddress
import ssl
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from streamgauge.script import Certificate
from streamgauge.server.needs import need

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

HOSTS = ("127.0.0.1", "::1", "localhost")
OTHER_HOST = "wrong-host.invalid"
DAY = datetime.timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Pair:
    """A certificate and its key."""

    certificate: x509.Certificate
    key: EllipticCurvePrivateKey

    @property
    def pem(self) -> bytes:
        from cryptography.hazmat.primitives.serialization import Encoding

        return self.certificate.public_bytes(Encoding.PEM)

    @property
    def key_pem(self) -> bytes:
        from cryptography.hazmat.primitives import serialization as s

        return self.key.private_bytes(s.Encoding.PEM, s.PrivateFormat.PKCS8, s.NoEncryption())


@cache
def authority() -> Pair:
    """The authority of this process. Raises UnavailableError where cryptography is missing."""
    need("cryptography")
    return _issue("streamgauge throw-away CA", (), ca=True)


@cache
def pair(kind: Certificate) -> Pair:
    """A certificate of this kind for the server; each but `valid` has one thing wrong, and nothing else."""
    match kind:
        case "expired":
            return _issue("localhost", HOSTS, authority(), until=-DAY)
        case "wrong-host":
            return _issue(OTHER_HOST, (OTHER_HOST,), authority())
        case "self-signed":
            authority()  # what is missing is said in one place
            return _issue("localhost", HOSTS)
        case _:
            return _issue("localhost", HOSTS, authority())


@cache
def server_context(kind: Certificate, *, http2: bool) -> ssl.SSLContext:
    """The server's side of TLS with a certificate of this kind; http2: whether ALPN offers it (RFC 9113 3.2)."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made = pair(kind)
    with TemporaryDirectory(prefix="streamgauge-") as folder:  # the ssl module reads certificates from files only
        path = Path(folder) / "server.pem"
        path.touch(mode=0o600)
        path.write_bytes(made.key_pem + made.pem)
        context.load_cert_chain(path)
    context.set_alpn_protocols(["h2", "http/1.1"] if http2 else ["http/1.1"])
    return context


def _issue(
    name: str,
    hosts: tuple[str, ...],
    issuer: Pair | None = None,
    *,
    ca: bool = False,
    until: datetime.timedelta = 30 * DAY,
) -> Pair:
    """A certificate; without an issuer it signs itself."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.oid.NameOID.COMMON_NAME, name)])
    signer = issuer.key if issuer else key
    now = datetime.datetime.now(datetime.UTC)
    usage = dict.fromkeys(
        ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "encipher_only"), False
    )
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.certificate.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - 60 * DAY)
        .not_valid_after(now + until)
        .add_extension(x509.BasicConstraints(ca=ca, path_length=0 if ca else None), critical=True)
        .add_extension(
            x509.KeyUsage(digital_signature=not ca, key_cert_sign=ca, crl_sign=ca, decipher_only=False, **usage),
            critical=True,
        )
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()),
            critical=False,
        )
    )
    if not ca:
        builder = builder.add_extension(x509.SubjectAlternativeName([_name(h) for h in hosts]), critical=False)
        builder = builder.add_extension(
            x509.ExtendedKeyUsage([x509.oid.ExtendedKeyUsageOID.SERVER_AUTH]), critical=False
        )
    return Pair(builder.sign(signer, hashes.SHA256()), key)


def _name(host: str) -> x509.GeneralName:
    from cryptography import x509

    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)
