"""TLS of one connection: the context from files that are read anew each time, and when certificates expire."""

import ssl
from pathlib import Path
from typing import Any

from gateway.broker.address import BrokerAddress
from gateway.broker.failure import ConnectFailed

LARGEST_FILE = 1 << 20
"""Bytes of a certificate, key or password file; the largest bundles of authorities have about 250 KB."""


def content(path: str) -> bytes:
    """What a file of the connection holds. Raises ConnectFailed."""
    try:
        with Path(path).open("rb") as file:
            return file.read(LARGEST_FILE)
    except OSError as error:
        raise ConnectFailed("file", f"{path}: {error.strerror}") from error


def context(address: BrokerAddress) -> ssl.SSLContext:
    """Certificate and host name checked, TLS 1.2 or later. Raises ConnectFailed naming the file at fault."""
    if address.ca_file is not None:
        content(address.ca_file)  # ssl's own error names no file
    try:
        made = ssl.create_default_context(cafile=address.ca_file)
    except (ssl.SSLError, ValueError) as error:
        raise ConnectFailed("file", f"{address.ca_file}: no certificate can be read from it") from error
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    if address.cert_file is not None:
        content(address.cert_file)
        if address.key_file is not None:
            content(address.key_file)
        try:
            # an empty password, because without one OpenSSL would ask at the terminal
            made.load_cert_chain(address.cert_file, address.key_file, password="")
        except (ssl.SSLError, ValueError) as error:
            reason = getattr(error, "reason", None) or error
            raise ConnectFailed("file", f"{address.cert_file} with {address.key_file}: unusable ({reason})") from error
    return made


def password(address: BrokerAddress) -> str | None:
    """The first line of the password file, None without one. Raises ConnectFailed."""
    if address.password_file is None:
        return None
    try:
        return content(address.password_file).decode().partition("\n")[0].rstrip("\r")
    except UnicodeDecodeError as error:
        raise ConnectFailed("file", f"{address.password_file}: not UTF-8") from error


def own_expiry(address: BrokerAddress) -> float | None:
    """When the certificate in `cert_file` ends (UTC, s since 1970); None without one."""
    if address.cert_file is None:
        return None
    from cryptography.x509 import load_pem_x509_certificate  # 10 MB, wanted only with a client certificate

    try:
        return load_pem_x509_certificate(content(address.cert_file)).not_valid_after_utc.timestamp()
    except (ConnectFailed, ValueError):
        return None  # the connection itself says what is wrong with the file


def peer_expiry(sock: Any) -> float | None:
    """When the broker's certificate ends (UTC, s since 1970); None on an open connection."""
    shown = sock.getpeercert() if isinstance(sock, ssl.SSLSocket) else None
    end = shown.get("notAfter") if shown else None
    return float(ssl.cert_time_to_seconds(end)) if isinstance(end, str) else None
