"""A time stamp authority for tests: `openssl ts` with certificates of its own, on loopback."""

from __future__ import annotations

import shutil
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

LONG = timedelta(days=20 * 365)
_CONFIG = """\
[tsa]
serial = {folder}/serial
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = sha256, sha384, sha512
accuracy = {accuracy}
clock_precision_digits = 3
ordering = no
tsa_name = yes
ess_cert_id_chain = no
ess_cert_id_alg = {ess}
"""

Body = Callable[[bytes], tuple[int, str, bytes]]
"""What a server answers to a request: status, content type and body."""


class Authority:
    """Somebody who stamps, with a root and a signer's certificate.

    :ivar root: its root, PEM: what a verifier pins.
    """

    def __init__(
        self,
        folder: Path,
        name: str = "Example",
        *,
        start: datetime | None = None,
        end: datetime | None = None,
        usages: tuple[x509.ObjectIdentifier, ...] = (ExtendedKeyUsageOID.TIME_STAMPING,),
        is_critical: bool = True,
        accuracy: str = "secs:1",
        ess: str = "sha256",
        root_end: datetime | None = None,
        issued_by: Authority | None = None,
    ) -> None:
        if shutil.which("openssl") is None:
            pytest.skip("openssl is not installed")
        folder.mkdir(parents=True)
        self.folder, self.name = folder, name
        self._one_at_a_time = threading.Lock()
        now = datetime.now(UTC).replace(microsecond=0)
        start, end = start or now - LONG, end or now + LONG
        root_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
        root_name, own = (_name(f"{name} {part}") for part in ("Root", "Stamps"))
        ca = x509.BasicConstraints(ca=True, path_length=None)
        root = (
            _builder(root_name, root_name, root_key.public_key(), start, root_end or end + LONG)
            .add_extension(ca, critical=True)
            .add_extension(_usage(signs_certificates=True), critical=True)
            .sign(root_key, hashes.SHA256())
        )
        builder = _builder(own, root_name, key.public_key(), start, end)
        builder = builder.add_extension(_usage(signs_certificates=False), critical=True)
        if usages:
            usage = x509.ExtendedKeyUsage(usages)
            builder = builder.add_extension(usage, critical=is_critical)
        signer = builder.sign(root_key, hashes.SHA256())
        self._root_key, self._root_name = root_key, root_name
        if issued_by is not None:  # the root is an ordinary certificate of another authority's
            root = (
                _builder(root_name, issued_by._root_name, root_key.public_key(), start, end)
                .add_extension(_usage(signs_certificates=False), critical=True)
                .sign(issued_by._root_key, hashes.SHA256())
            )
        self.end = end
        self.root = root.public_bytes(Encoding.PEM)
        self.signer = signer.public_bytes(Encoding.PEM)
        chain = self.root if issued_by is None else self.root + issued_by.root
        (folder / "root.pem").write_bytes(chain)
        (folder / "signer.pem").write_bytes(self.signer)
        (folder / "signer.key").write_bytes(
            key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        )
        config = _CONFIG.format(folder=folder, accuracy=accuracy, ess=ess)
        (folder / "tsa.cnf").write_text(config, encoding="ascii")

    def root_again(self, start: datetime, end: datetime) -> bytes:
        """Another certificate of the same root, for another time; PEM."""
        ca = x509.BasicConstraints(ca=True, path_length=None)
        made = _builder(self._root_name, self._root_name, self._root_key.public_key(), start, end)
        signed = made.add_extension(ca, critical=True).sign(self._root_key, hashes.SHA256())
        return signed.public_bytes(Encoding.PEM)

    def answer(
        self, request: bytes, at: datetime | None = None, *, with_root: bool = True
    ) -> bytes:
        """The response to a request; *at* another moment than now, by faketime."""
        with self._one_at_a_time:
            return self._answer(request, at, with_root=with_root)

    def _answer(self, request: bytes, at: datetime | None, *, with_root: bool) -> bytes:
        query, reply = self.folder / "request.tsq", self.folder / "response.tsr"
        query.write_bytes(request)
        command = ["openssl", "ts", "-reply", "-config", str(self.folder / "tsa.cnf")]
        command += ["-section", "tsa", "-queryfile", str(query), "-out", str(reply)]
        command += ["-signer", str(self.folder / "signer.pem")]
        command += ["-inkey", str(self.folder / "signer.key")]
        if with_root:
            command += ["-chain", str(self.folder / "root.pem")]
        if at is not None:
            if shutil.which("faketime") is None:
                pytest.skip("faketime is not installed")
            command = ["faketime", "-f", at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S"), *command]
        environment = {"PATH": "/usr/bin:/bin:/usr/local/bin", "TZ": "UTC", "LC_ALL": "C"}
        done = subprocess.run(command, capture_output=True, check=False, env=environment)
        assert done.returncode == 0, done.stderr.decode()
        return reply.read_bytes()

    def stamp(self, message: bytes, at: datetime | None = None) -> bytes:
        """A response over *message*."""
        return self.answer(request_for(message), at)

    @contextmanager
    def serving(self, body: Body | None = None) -> Iterator[str]:
        """Its address on the loopback interface while the block lasts.

        :param body: answers in place of the real authority.
        """

        def real(request: bytes) -> tuple[int, str, bytes]:
            return 200, "application/timestamp-reply", self.answer(request)

        with serving(body or real) as url:
            yield url


@contextmanager
def serving(body: Body, tls: Path | None = None) -> Iterator[str]:
    """A server on the loopback interface that answers every POST with what *body* says.

    :param tls: a file with certificate and key, where it is to speak https.
    """

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            request = self.rfile.read(int(self.headers.get("Content-Length", "0")))
            status, kind, answer = body(request)
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            try:
                self.wfile.write(answer)
            except OSError:
                return

        def log_message(self, *_: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    if tls is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(tls)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        scheme = "http" if tls is None else "https"
        yield f"{scheme}://127.0.0.1:{server.server_address[1]}/tsa"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def host_certificate(folder: Path) -> Path:
    """Certificate and key of a server on the loopback interface, which signed itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name, now = _name("127.0.0.1"), datetime.now(UTC)
    made = _builder(name, name, key.public_key(), now - LONG, now + LONG)
    address = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
    signed = made.add_extension(address, critical=False).sign(key, hashes.SHA256())
    path = folder / "host.pem"
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path.write_bytes(signed.public_bytes(Encoding.PEM) + secret)
    return path


def request_for(message: bytes) -> bytes:
    """A request over *message*, with a nonce, asking for certificates."""
    from rfc3161_client import HashAlgorithm, TimestampRequestBuilder

    built = TimestampRequestBuilder().data(message).hash_algorithm(HashAlgorithm.SHA256)
    return built.build().as_bytes()


def openssl_agrees(
    folder: Path, token: bytes, message: bytes, pem: bytes, at: datetime, more: bytes = b""
) -> bool:
    """What `openssl ts -verify` says of a response at the moment that it names."""
    paths = {name: folder / name for name in ("t.tsr", "t.data", "t.pem", "t.more.pem")}
    for path, data in zip(paths.values(), (token, message, pem, more), strict=True):
        path.write_bytes(data)
    command = ["openssl", "ts", "-verify", "-in", str(paths["t.tsr"])]
    command += ["-data", str(paths["t.data"]), "-CAfile", str(paths["t.pem"])]
    command += ["-attime", str(int(at.timestamp()))]
    if more:
        command += ["-untrusted", str(paths["t.more.pem"])]
    done = subprocess.run(command, capture_output=True, check=False)
    return done.returncode == 0 and b"Verification: OK" in done.stdout + done.stderr


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    public: ec.EllipticCurvePublicKey,
    start: datetime,
    end: datetime,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(end)
    )
