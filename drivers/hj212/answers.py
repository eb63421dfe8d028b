"""Acknowledgements (HJ 212-2017 §6.6 and table 9). Pure.

9011  a request was taken in (QnRtn)        9013  a notice was taken in
9012  a request was carried out (ExeRtn)    9014  data was taken in
"""

from drivers.hj212.frame import Crc, framed
from drivers.hj212.message import Message, written
from drivers.hj212.source import VERSIONS

TAKEN, EXECUTED, NOTICED, RECEIVED = "9011", "9012", "9013", "9014"
ANSWERS = (TAKEN, EXECUTED, NOTICED, RECEIVED)
NOTICES = ("1013", "9015")
"""The sender asks for the time; heartbeat of 2025. All else that it sends on its own is data."""
INTERACTION = "91"
"""ST of every acknowledgement."""
QN_RETURNS = {
    "1": "will be executed", "2": "refused", "3": "wrong PW", "4": "wrong MN", "5": "wrong ST", "6": "wrong Flag",
    "7": "wrong QN", "8": "unknown CN", "9": "wrong CRC", "100": "unknown error",
}  # fmt: skip
EXE_RETURNS = {
    "1": "done", "2": "failed", "3": "the request makes no sense", "4": "timeout", "5": "busy", "6": "system fault",
    "100": "no data",
}  # fmt: skip


def acknowledgement(message: Message, version: str, kind: Crc) -> bytes:
    """The frame that answers a message of data or a notice, with its QN, PW and MN."""
    bits = message.flag >> 2 if "FLAG" in message.fields else VERSIONS[version]
    fields = {
        "QN": message.qn,
        "ST": INTERACTION,
        "CN": NOTICED if message.cn in NOTICES else RECEIVED,
        "PW": message.fields.get("PW", ""),
        "MN": message.mn,
        "Flag": str(bits << 2),
    }
    return framed(written({key: text for key, text in fields.items() if text}, ""), kind)
