"""Why a broker could not be reached, in one word for metrics and in words for people."""

import ssl

from gateway.broker.address import BrokerAddress

# X509_V_ERR_* of OpenSSL, x509_vfy.h
_CERTIFICATE = {
    9: ("tls_early", "the broker's certificate is not valid yet; is this machine's clock right?"),
    10: ("tls_expired", "the broker's certificate has expired"),
    18: ("tls_ca", "the broker's certificate is self-signed; name it in ca_file"),
    19: ("tls_ca", "the broker's certificate is not signed by an authority in ca_file"),
    20: ("tls_ca", "the broker's certificate is not signed by an authority in ca_file"),
    21: ("tls_ca", "the broker's certificate is not signed by an authority in ca_file"),
    62: ("tls_host", "the broker's certificate is for another host than {host}"),
    64: ("tls_host", "the broker's certificate is for another address than {host}"),
}
# Alerts of RFC 8446 §6 as OpenSSL words them; with TLS 1.3 they arrive after the handshake, on the first read
_ALERTS = {
    "certificate required": ("tls_client", "the broker wants a client certificate; give cert_file and key_file"),
    "certificate expired": ("tls_client_expired", "the broker says that this gateway's certificate has expired"),
    "certificate revoked": ("tls_client", "the broker says that this gateway's certificate is revoked"),
    "certificate unknown": ("tls_client", "the broker does not accept this gateway's certificate"),
    "bad certificate": ("tls_client", "the broker does not accept this gateway's certificate"),
    "unknown ca": ("tls_client", "the broker does not know the authority that signed this gateway's certificate"),
    "handshake failure": ("tls", "the broker ended the TLS handshake: no cipher or no certificate in common"),
    "protocol version": ("tls", "the broker speaks no TLS version from 1.2 up"),
    "wrong version number": ("tls", "what answers on this port speaks no TLS"),
}
# Reason codes of CONNACK, MQTT 5.0 table 3-1; paho gives those of 3.1.1 in the same numbers
_CONNACK = {
    0x84: ("protocol", "the broker does not speak MQTT {protocol}; set protocol"),
    0x85: ("client_id", "the broker does not accept the client id {client_id!r}"),
    0x86: ("password", "the broker does not accept the user name or the password"),
    0x87: ("not_authorized", "the broker does not authorise this client"),
    0x88: ("unavailable", "the broker says that it is unavailable"),
    0x89: ("busy", "the broker says that it is busy"),
    0x8A: ("banned", "the broker has banned this client"),
    0x97: ("quota", "the broker's quota for this client is used up"),
    0x9A: ("retain", "the broker keeps no retained messages"),
    0x9B: ("qos", "the broker does not support QoS 1, without which nothing is delivered"),
    0x9F: ("rate", "the broker says that this client connects too often"),
}


class ConnectFailed(Exception):
    """No connection. `cause` is one word (refused, unreachable, name, timeout, tls_expired, tls_host, tls_ca,
    tls_client, tls, file, password, not_authorized, protocol, …), the text names broker and reason."""

    def __init__(self, cause: str, text: str) -> None:
        super().__init__(text)
        self.cause = cause
        self.certificate_expiry_s: float | None = None


def named(error: OSError | ValueError, address: BrokerAddress) -> ConnectFailed:
    """The failure that an exception from socket, ssl or paho's connect() stands for."""
    cause, text = _words(error, address)
    return ConnectFailed(cause, f"{address.host}:{address.port}: {text}")


def refused(code: int, name: str, address: BrokerAddress) -> ConnectFailed:
    """The failure that a CONNACK with the reason code `code` says."""
    cause, text = _CONNACK.get(code, ("rejected", f"the broker rejected the connection: {name} (0x{code:02X})"))
    words = text.format(protocol=address.protocol, client_id=address.client_id)
    return ConnectFailed(cause, f"{address.host}:{address.port}: {words}")


def alert(text: str) -> tuple[str, str] | None:
    """(cause, words) of a TLS alert in OpenSSL's error text, None where there is none."""
    spoken = text.lower().replace("_", " ")
    return next((meaning for words, meaning in _ALERTS.items() if words in spoken), None)


def _words(error: OSError | ValueError, address: BrokerAddress) -> tuple[str, str]:
    if isinstance(error, ssl.SSLCertVerificationError):
        cause, text = _CERTIFICATE.get(error.verify_code, ("tls", error.verify_message))
        return cause, text.format(host=address.host)
    if isinstance(error, ssl.SSLError):
        return alert(str(error)) or ("tls", f"TLS failed: {error.reason or error}")
    if isinstance(error, ConnectionRefusedError):
        return "refused", "the connection was refused; nothing listens there"
    if isinstance(error, TimeoutError):
        return "timeout", "no answer in time"
    if isinstance(error, ConnectionResetError | BrokenPipeError | ConnectionAbortedError):
        return "reset", "the connection was closed while it was being made"
    if type(error).__name__ == "gaierror" or isinstance(error, UnicodeError):
        return "name", f"the name cannot be resolved ({getattr(error, 'strerror', None) or error})"
    if isinstance(error, OSError):
        return "unreachable", str(error.strerror or error)
    return "settings", str(error)
