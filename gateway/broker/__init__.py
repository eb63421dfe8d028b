"""MQTT: the only import of paho. One connection object for each connection; it is thrown away when it is lost.

    connect(address, will) ─► Connection ─ send() ──► done(reason code of the PUBACK)
                                         ─ subscribe() ──► deliver(Message)
                                         ─ lost, reason ──► throw it away, connect again

paho's traps and what is done about each (measured on 2.2):

- A lost client re-sends what it holds, on its old topic, when it connects again: a client connects once here.
- publish() without a connection queues the message and says "no connection": nothing is sent after the loss.
- on_publish is called for refusals too: the reason code is handed on, and 0x10 is a reason code like any other.
- There is no timeout for a PUBACK: the caller has one (gateway/uplink/delivery.py).
- The broker's Receive Maximum and Maximum Packet Size are ignored: `window` and `fits` are for the caller to obey.
- Under connect_async a TLS failure has no reason: connect() runs in a thread and its error is named.
- With its own thread and a long queue paho spends most of its time on locks: its socket is read and written from
  the event loop instead, which costs no thread and no lock that is ever waited for.
"""

from gateway.broker.address import Address, BrokerAddress, Message
from gateway.broker.connection import Connection, Lost, SubscriptionRefused
from gateway.broker.failure import ConnectFailed
from gateway.broker.listen import listen
from gateway.broker.network import Network, connect, listening

__all__ = [
    "Address",
    "BrokerAddress",
    "ConnectFailed",
    "Connection",
    "Lost",
    "Message",
    "Network",
    "SubscriptionRefused",
    "connect",
    "listen",
    "listening",
]
