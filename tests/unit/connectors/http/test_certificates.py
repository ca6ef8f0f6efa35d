"""77: certificates that do not prove the server are refused; one by a named authority is taken."""

from __future__ import annotations

import datetime
import ipaddress
import ssl
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from dragoman.connectors._http.endpoint import endpoint_of
from dragoman.connectors._http.sending import Reply, Sender
from dragoman.core.connection import parse_connection
from dragoman.core.errors import ConfigError, FatalError
from dragoman.testing.http_server import Answer, serve

HERE = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))


def certificate(folder: Path, name: x509.GeneralName = HERE, days: int = 1) -> Path:
    """A self-signed certificate with its key in one file, valid from 30 days ago until ``days`` from now."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "shop")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=30))
        .not_valid_after(now + datetime.timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName([name]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = folder / "server.pem"
    path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + made.public_bytes(serialization.Encoding.PEM)
    )
    return path


def tls(path: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    return context


@pytest.mark.parametrize(
    ("made", "trusted", "said"),
    [
        ({}, False, "self-signed"),
        ({"days": -1}, True, "expired"),
        ({"name": x509.DNSName("other.example")}, True, "IP address mismatch"),
    ],
    ids=["self-signed", "expired", "wrong host"],
)
def test_77_a_certificate_that_proves_nothing_is_refused(read, waits, tmp_path, made, trusted, said):
    path = certificate(tmp_path, **made)
    with serve(lambda _: Answer.of([]), tls=tls(path)) as server, pytest.raises(FatalError) as caught:
        ca = f"&ca={path}" if trusted else ""
        read(connection=parse_connection("shop", f"{server.url}?allow_private=true{ca}"))
    assert caught.value.code == "http.certificate"
    assert said in caught.value.message
    assert waits == []
    assert server.requests == []


def test_a_certificate_of_the_named_authority_is_taken(read, tmp_path):
    path = certificate(tmp_path)
    with serve(lambda _: Answer.of([{"id": 1}]), tls=tls(path)) as server:
        assert read(connection=parse_connection("shop", f"{server.url}?allow_private=true&ca={path}")).ids == [1]


def test_the_name_is_what_the_certificate_must_prove_not_the_pinned_address(read, tmp_path, internet):
    path = certificate(tmp_path, x509.DNSName("api.test"))
    with serve(lambda _: Answer.of([{"id": 1}]), tls=tls(path)) as server:
        internet.site("api.test", "93.184.216.34", server.port)
        assert read(connection=parse_connection("shop", f"https://api.test?ca={path}")).ids == [1]


def test_a_redirect_from_https_to_http_is_refused(read, tmp_path):
    path = certificate(tmp_path)
    answer = Answer(status=302, headers={"Location": "http://127.0.0.1/orders"})
    with serve(lambda _: answer, tls=tls(path)) as server, pytest.raises(FatalError, match="from https to http"):
        read(connection=parse_connection("shop", f"{server.url}?allow_private=true&ca={path}"))


def test_the_check_of_certificates_cannot_be_turned_off(read):
    for word in ("false", "0", "no"):
        with pytest.raises(ConfigError) as caught:
            read(connection=parse_connection("shop", f"https://api.test?verify={word}"))
        assert caught.value.code == "http.verify"


def test_a_missing_authority_file_is_told_at_once(read):
    with pytest.raises(ConfigError, match="no such file"):
        read(connection=parse_connection("shop", "https://api.test?ca=/nowhere.pem"))


def test_sending_judges_the_certificate_and_keeps_the_connection(tmp_path):
    path = certificate(tmp_path)
    with serve(lambda _: Answer.of({}, 201), tls=tls(path)) as server:
        stranger = Sender(endpoint_of(parse_connection("shop", f"{server.url}?allow_private=true")))
        with pytest.raises(FatalError) as caught:
            stranger.send("POST", stranger._endpoint.at("/x"), {}, b"{}")
        assert caught.value.code == "http.certificate"
        known = Sender(endpoint_of(parse_connection("shop", f"{server.url}?allow_private=true&ca={path}")))
        for _ in range(3):
            reply = known.send("POST", known._endpoint.at("/x"), {}, b"{}")
            assert isinstance(reply, Reply)
            assert reply.status == 201
        known.close()
        assert len(server.requests) == 3
        assert len({request.client for request in server.requests}) == 1
