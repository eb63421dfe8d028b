"""What an uplink is told; the site file's uplink section has it all (gateway/settings/model.py)."""

from typing import Protocol

from gateway.broker import BrokerAddress


class UplinkSettings(BrokerAddress, Protocol):
    """One broker and how to deliver to it."""

    @property
    def base(self) -> str:
        """Beginning of every topic."""

    @property
    def accept_unheard(self) -> bool:
        """Whether PUBACK 0x10 (no matching subscribers) counts as delivery."""

    @property
    def backlog_rate(self) -> float | None:
        """Batches of the backlog per second, at most; None: as many as gateway/uplink/pace.py lets go."""

    @property
    def acknowledge_timeout_s(self) -> float:
        """Longest wait for a PUBACK before the connection is given up."""

    @property
    def reconnect_min_s(self) -> float:
        """First wait before a new connection."""

    @property
    def reconnect_max_s(self) -> float:
        """Longest wait before a new connection."""

    @property
    def stable_after_s(self) -> float:
        """Age of a connection after which the waits begin again at the first."""

    @property
    def takeover_wait_s(self) -> float:
        """Wait after the third takeover of the client id in a row."""

    @property
    def unheard_retry_s(self) -> float:
        """How often one batch asks whether anybody listens now."""
