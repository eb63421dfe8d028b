"""paho's client with the way of a PUBACK made short. Imports paho, therefore imported by the first connection only."""

from typing import Any

from paho.mqtt.client import Client
from paho.mqtt.enums import MQTTErrorCode
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

_SUCCESS = ReasonCode(PacketTypes.PUBACK)
_NONE = Properties(PacketTypes.PUBACK)  # type: ignore[no-untyped-call]


class ShortClient(Client):
    """A PUBACK of two bytes says success and nothing else (MQTT 5.0 §3.4.2.1; all there is in 3.1.1).

    paho makes a new reason code and a new set of properties for each, which is a third of what a published batch costs
    (tests/benchmarks/drain.py). The method is private, therefore paho is pinned to a minor version, and
    tests/gateway/broker/test_connection.py holds it to this.
    """

    def _handle_pubackcomp(self, cmd: Any) -> MQTTErrorCode:
        packet = self._in_packet["packet"]
        if cmd != "PUBACK" or len(packet) != 2:
            return super()._handle_pubackcomp(cmd)
        mid = packet[0] << 8 | packet[1]
        with self._out_message_mutex:
            if mid in self._out_messages:
                return self._do_on_publish(mid, _SUCCESS, _NONE)
        return MQTTErrorCode.MQTT_ERR_SUCCESS
