"""A certificate authority of a test, and a broker's certificate for this machine."""

import ssl
from pathlib import Path

import trustme


class Secure:
    """Files in `folder`: `authority` for clients, `broker` with key and certificate."""

    def __init__(self, folder: Path) -> None:
        authority = trustme.CA()
        self.authority, self.broker = folder / "authority.pem", folder / "broker.pem"
        authority.cert_pem.write_to_path(self.authority)
        authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(self.broker)

    def listener(self, port: int) -> str:
        """Lines of mosquitto.conf for a further listener."""
        return f"listener {port} 127.0.0.1\ncertfile {self.broker}\nkeyfile {self.broker}\n"

    def context(self) -> ssl.SSLContext:
        """For a server."""
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(self.broker)
        return context
