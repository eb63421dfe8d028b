"""The form of a command: bytes -> Command, or what is wrong with them. Pure."""

import math
from collections.abc import Callable, Mapping
from typing import Any, TypeGuard

import orjson

from gateway.uplink.permission import NAMES, Command, Denied

LONGEST_ID = 128
MOST_NESTED = 100
"""Opening brackets in a command; a few are enough, and the signature's text is made by a recursive writer."""
LONGEST_TEXT = 256
"""Characters of a name or a person in the arguments."""
LONGEST_MARK_MS = 366 * 86_400_000
"""A mark that ends later was meant otherwise (microseconds, say), and would take N from an instrument for good."""


class Unparseable(Exception):
    """Not a JSON object with an id: nobody can be answered."""


def identified(payload: bytes) -> dict[str, Any]:
    """The JSON object with its id. Raises Unparseable."""
    if payload.count(b"{") + payload.count(b"[") > MOST_NESTED:
        raise Unparseable("too deeply nested")
    try:
        body = orjson.loads(payload)
    except orjson.JSONDecodeError as error:
        raise Unparseable(f"not JSON: {error}") from error
    if not isinstance(body, dict):
        raise Unparseable("not a JSON object")
    identity = body.get("id")
    if not isinstance(identity, str) or not 1 <= len(identity) <= LONGEST_ID:
        raise Unparseable(f"id is not a text of 1 to {LONGEST_ID} characters")
    return body


def command(body: Mapping[str, Any], retained: bool, now_ms: int) -> Command:
    """The command that `body` (of `identified`) asks for. Raises Denied."""
    if retained:
        raise Denied("retained", "a retained command may be old; send it without retain")
    version = body.get("v")
    if version != 1 or isinstance(version, bool):
        raise Denied("version", "v must be 1")
    name, args, expires = body.get("name"), body.get("args", {}), body.get("expires")
    if not isinstance(name, str):
        raise Denied("malformed", "name is not a text")
    if not _whole(expires):
        raise Denied("malformed", "expires is not a whole number of ms since 1970")
    if expires <= now_ms:
        raise Denied("expired", f"the command expired {now_ms - expires} ms ago")
    if name not in NAMES:
        raise Denied("unknown", f"there is no command {name[:64]!r}; there are {', '.join(sorted(NAMES))}")
    if not isinstance(args, dict):
        raise Denied("malformed", "args is not an object")
    return Command(body["id"], name, arguments(name, args, now_ms), expires, body)


def arguments(name: str, args: Mapping[str, Any], now_ms: int) -> dict[str, Any]:
    """Those of the command `name` that it knows, each checked. Raises Denied."""
    for key, (wanted, fits) in _ARGUMENTS[name].items():
        if key not in args:
            raise Denied("invalid", f"args lacks {key}: {wanted}")
        if not fits(args[key]):
            raise Denied("invalid", f"args.{key} is not {wanted}")
    if name == "backfill" and args["from"] >= args["to"]:
        raise Denied("invalid", "args.from is not before args.to")
    if name == "mark" and args["until"] <= now_ms:
        raise Denied("invalid", "args.until is over")
    if name == "mark" and args["until"] > now_ms + LONGEST_MARK_MS:
        raise Denied("invalid", "args.until is more than a year ahead")
    return {key: args[key] for key in _ARGUMENTS[name]}


def _whole(value: Any) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool)


def _text(value: Any) -> bool:
    return isinstance(value, str) and 1 <= len(value) <= LONGEST_TEXT


def _writable(value: Any) -> bool:
    return isinstance(value, bool | int) or _text(value) or (isinstance(value, float) and math.isfinite(value))


_Argument = tuple[str, Callable[[Any], bool]]
_INSTRUMENT: _Argument = ("the id of an instrument", _text)
_TIME: _Argument = ("a whole number of ms since 1970", _whole)
_ARGUMENTS: dict[str, dict[str, _Argument]] = {
    "status": {},
    "reload": {},
    "read": {"instrument": _INSTRUMENT},
    "backfill": {"from": _TIME, "to": _TIME},
    "mark": {
        "instrument": _INSTRUMENT,
        "flag": ("M or C", lambda value: value in ("M", "C")),
        "who": ("the name of a person", _text),
        "until": _TIME,
    },
    "write": {
        "instrument": _INSTRUMENT,
        "point": ("the id of a point", _text),
        "value": ("a number, a text, true or false", _writable),
    },
}
