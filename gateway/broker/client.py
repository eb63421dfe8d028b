"""paho's client with the ways of a PUBLISH and a PUBACK made short. Imports paho, therefore imported by the first
connection only. What is overridden is private: paho is pinned to a minor version, and
tests/gateway/broker/test_client.py holds it to this. What it saves: tests/benchmarks/test_drain.py.
"""

import time
from collections.abc import Iterable, Iterator
from typing import Any

from paho.mqtt.client import MQTT_LOG_ERR, PUBLISH, Client
from paho.mqtt.enums import MQTTErrorCode
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

_SUCCESS = ReasonCode(PacketTypes.PUBACK)
_NONE = Properties(PacketTypes.PUBACK)  # type: ignore[no-untyped-call]

TOGETHER_BYTES = 64 << 10
"""Of one system call: more are copied for nothing, since a socket takes no more at once."""
READ_BYTES = 4096


class ShortClient(Client):
    """Many small messages cost one system call, an acknowledgement makes no objects."""

    _read = memoryview(b"")
    """What was read from the socket and not asked for yet."""
    _drained = False
    """Whether the last read brought all there was: the next one would only say so."""

    @property
    def unread(self) -> bool:
        """Whether something is here that no selector tells of."""
        return bool(self._read)

    def loop_read(self, max_packets: int = 1) -> MQTTErrorCode:
        """See paho: called when there is something to read."""
        self._drained = False
        return super().loop_read(max_packets)

    def _sock_recv(self, bufsize: int) -> bytes:
        """Many small messages come with one system call. Raises BlockingIOError when there is nothing."""
        if not self._read:
            if self._drained:
                self._drained = False
                raise BlockingIOError
            came = super()._sock_recv(READ_BYTES)
            self._drained = 0 < len(came) < READ_BYTES
            self._read = memoryview(came)
        taken, self._read = self._read[:bufsize], self._read[bufsize:]
        return taken.tobytes()

    def _packet_write(self) -> MQTTErrorCode:
        """Messages that wait for the socket go there together, as far as `TOGETHER_BYTES` reach."""
        waiting = self._out_packet
        while len(waiting) > 1 and len(together := list(_small(waiting))) > 1:
            try:
                sent = self._sock_send(b"".join(together))
            except BlockingIOError:
                # TLS wants all of it again: the first alone would break the connection (SSL_write(3))
                return MQTTErrorCode.MQTT_ERR_AGAIN
            except OSError as error:
                self._easy_log(MQTT_LOG_ERR, "failed to send on socket: %s", error)
                return MQTTErrorCode.MQTT_ERR_CONN_LOST
            while sent:
                packet = waiting[0]
                taken = min(sent, packet["to_process"])
                packet["pos"] += taken
                packet["to_process"] -= taken
                sent -= taken
                if not packet["to_process"]:
                    waiting.popleft()
            with self._msgtime_mutex:
                self._last_msg_out = time.monotonic()
        return super()._packet_write()

    def _handle_pubackcomp(self, cmd: Any) -> MQTTErrorCode:
        """A PUBACK of two bytes says success and nothing else (MQTT 5.0 §3.4.2.1; all there is in 3.1.1). paho makes a
        new reason code and a new set of properties for each, which is a third of what a published batch costs."""
        packet = self._in_packet["packet"]
        if cmd != "PUBACK" or len(packet) != 2:
            return super()._handle_pubackcomp(cmd)
        mid = packet[0] << 8 | packet[1]
        with self._out_message_mutex:
            if mid in self._out_messages:
                return self._do_on_publish(mid, _SUCCESS, _NONE)
        return MQTTErrorCode.MQTT_ERR_SUCCESS


def _small(waiting: Iterable[Any]) -> Iterator[bytes]:
    """What is left of the first packets, as long as they are of QoS 1 and go into one system call."""
    size = 0
    for packet in waiting:
        left = packet["packet"][packet["pos"] :]
        size += len(left)
        if packet["command"] & 0xF0 != PUBLISH or packet["qos"] == 0 or size > TOGETHER_BYTES:
            return
        yield left
