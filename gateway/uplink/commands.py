"""Commands over MQTT: checked, carried out once, answered, audited (contract.md §2).

message ─► form ─► permission ─► known id? ─► kept by the log ─► action ─► reply, event
             └─ Denied ─┴──────────────┴───────────────────────────────► reply, event
"""

import asyncio
import contextlib
import hashlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from drivers.errors import FieldError
from gateway.broker import Message
from gateway.clock import Clock, ClockState
from gateway.reading import Event
from gateway.uplink import form
from gateway.uplink.executed import Executed, Forgotten, Memory, NoRoom
from gateway.uplink.permission import Command, Denied, Permission
from gateway.uplink.topics import Topics

Action = Callable[[Mapping[str, Any]], Awaitable[Mapping[str, Any]]]
"""Carries out one command with its checked arguments and returns `result`. Raises Denied, FieldError, TimeoutError."""

ACTION_S = 30.0
"""Longest execution; a poll of a slow instrument takes seconds, a reload less."""
BACKFILL_S = 86_400.0
"""Longest `backfill`: it is answered when all of it is acknowledged."""
KEEP_S = 10.0
"""Longest wait for the log to keep the memory of commands."""


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer and where it goes."""

    topic: str
    body: bytes
    correlation: bytes | None


class Commands:
    """The commands of one gateway, whichever uplink they come over.

    `actions` by name; `keep` makes bytes durable in the log, with the time until which they matter; `audit` takes
    events. Until `take_up` has told what the
    log kept last, nothing is carried out that changes something: it may have been carried out before.
    """

    def __init__(
        self,
        permission: Permission,
        actions: Mapping[str, Action],
        clock: Clock,
        audit: Callable[[Event], None],
        keep: Callable[[bytes, int], Awaitable[None]],
    ) -> None:
        self._permission = permission
        self._actions = actions
        self._clock = clock
        self._audit = audit
        self._keep = keep
        self._memory = Memory()
        self._taken_up = False
        self._keeping = asyncio.Lock()
        self._under_way: dict[str, asyncio.Event] = {}

    def take_up(self, kept: bytes | None, kept_until_ms: int) -> None:
        """Go on from what the log kept; it may be less than there was, and mattered until `kept_until_ms`."""
        self._memory = Memory.from_bytes(kept, kept_until_ms)
        self._taken_up = True

    async def handle(self, message: Message, topics: Topics, uplink: str, backfill: Action) -> Reply | None:
        """The answer to one message on the command topic; None for what nobody can be answered for."""
        now_ms = self._clock.now_ms()
        try:
            body = form.identified(message.payload)
        except form.Unparseable as error:
            self._denied(uplink, None, None, "unparseable", str(error))
            return None
        identity = body["id"]
        try:
            command = form.command(body, message.retain, now_ms)
            who = self._permission.check(command)
            if command.changes and self._clock.state() is ClockState.UNSET:
                raise Denied("clock", "the gateway's clock is not set, so it cannot tell whether the command expired")
            if command.changes and not self._taken_up:
                raise Denied("log", "the log cannot be opened yet, so it is not known what was carried out before")
            answer = await self._once(command, who, uplink, backfill)
        except Denied as denied:
            self._denied(uplink, identity, body.get("name"), denied.code, str(denied))
            answer = _failure(identity, denied.code, str(denied))
        return Reply(_reply_topic(message, topics), answer, message.correlation)

    async def _once(self, command: Command, who: str, uplink: str, backfill: Action) -> bytes:
        """The reply of this command, carried out if it was not before. Raises Denied."""
        digest = hashlib.sha256(orjson.dumps(command.body, option=orjson.OPT_SORT_KEYS)).hexdigest()
        if (running := self._under_way.get(command.id)) is not None:
            await running.wait()
        if (known := self._memory.find(command.id)) is not None:
            if known.digest != digest:
                raise Denied("repeated", "another command had this id")
            if known.reply is None:
                raise Denied(
                    "interrupted", "it was begun before a restart and is not begun again; how it ended is not known"
                )
            return known.reply
        done = self._under_way[command.id] = asyncio.Event()
        try:
            return await self._carry_out(command, digest, who, uplink, backfill)
        finally:
            del self._under_way[command.id]
            done.set()

    async def _carry_out(self, command: Command, digest: str, who: str, uplink: str, backfill: Action) -> bytes:
        executed = Executed(digest, command.expires_ms)
        if command.changes:
            await self._begin(command, executed)
        limit_s = self._limit_s(command)
        action = backfill if command.name == "backfill" else self._actions.get(command.name)
        code, text, result, done = "", "", None, True
        try:
            if action is None:
                raise Denied("unavailable", f"the command {command.name} cannot be carried out here")
            async with asyncio.timeout(limit_s):
                result = await action(command.args)
        except Denied as denied:  # found wrong before anything was done
            code, text, done = denied.code, str(denied), False
        except FieldError as error:
            code, text = "field", error.why
        except TimeoutError:
            code, text = "timeout", f"not done in {limit_s:.3g} s; it may still have an effect"
        if result is None:
            executed.reply = _failure(command.id, code, text)
        else:
            executed.reply = orjson.dumps({"v": 1, "id": command.id, "ok": True, "result": result}, default=dict)
        if done:
            self._executed(command, who, uplink, code, text)
        else:
            self._denied(uplink, command.id, command.name, code, text)
        if command.changes:
            with contextlib.suppress(Denied):  # after a restart it is then answered as interrupted
                await self._remember()
        elif result is not None:  # a harmless one that failed may be tried again under its id
            self._memory.add(command.id, executed, False, self._clock.now_ms())
        return executed.reply

    async def _begin(self, command: Command, executed: Executed) -> None:
        """Remember it before anything is done. Raises Denied."""
        try:
            self._memory.add(command.id, executed, True, self._clock.now_ms())
        except NoRoom as error:
            raise Denied("busy", str(error)) from error
        except Forgotten as error:
            raise Denied("expired", str(error)) from error
        try:
            await self._remember()
        except Denied:
            self._memory.drop(command.id)
            raise

    def _limit_s(self, command: Command) -> float:
        """Longest execution; what changes something is never begun after it has expired."""
        if command.name == "backfill":
            return BACKFILL_S
        if not command.changes:
            return ACTION_S
        return min(ACTION_S, max(0.0, (command.expires_ms - self._clock.now_ms()) / 1000))

    async def _remember(self) -> None:
        """Have the log keep the memory. Raises Denied when it cannot: then nothing is begun."""
        try:
            async with asyncio.timeout(KEEP_S), self._keeping:
                await self._keep(self._memory.to_bytes(), self._memory.latest_ms)
        except (TimeoutError, OSError) as error:
            raise Denied("log", f"the log cannot keep the command: {error or 'no answer'}") from error

    def _executed(self, command: Command, who: str, uplink: str, code: str, text: str) -> None:
        data: dict[str, Any] = {"id": command.id, "name": command.name, "args": dict(command.args), "uplink": uplink}
        data["who"] = who or None
        data["ok"] = not code
        if code:
            data["error"] = {"code": code, "message": text}
        level = "warning" if code else "info"
        self._audit(Event(self._clock.now_ms(), "command.executed", data, command.args.get("instrument"), level=level))

    def _denied(self, uplink: str, identity: str | None, name: Any, code: str, text: str) -> None:
        data = {
            "id": identity,
            "name": name[:64] if isinstance(name, str) else None,
            "uplink": uplink,
            "error": {"code": code, "message": text},
        }
        self._audit(Event(self._clock.now_ms(), "command.denied", data, level="warning"))


def too_large(body: bytes, largest: int | None) -> bytes:
    """The answer instead of one that the broker does not take."""
    identity = orjson.loads(body)["id"]
    return _failure(identity, "too_large", f"the answer has {len(body)} bytes; the broker takes {largest} at most")


def _failure(identity: str, code: str, text: str) -> bytes:
    return orjson.dumps({"v": 1, "id": identity, "ok": False, "error": {"code": code, "message": text}})


def _reply_topic(message: Message, topics: Topics) -> str:
    """The response topic where it is one; never a topic on which consumers expect the feed."""
    wanted = message.response_topic
    if not wanted or any(sign in wanted for sign in "+#\0") or wanted.startswith("$"):
        return topics.reply
    own = wanted.rsplit("/", 1)[-1] in ("data", "backfill", "status", "points", "command")
    return topics.reply if own and wanted.startswith(topics.base + "/") else wanted
