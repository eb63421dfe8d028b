"""One stream of bytes that nobody asked for: finds the messages in it, hands each on, and forgets the rest.

Memory is bounded by the hearing's longest message and one arrival. What is dropped is counted by its fault.
"""

import asyncio
from collections import Counter
from collections.abc import Callable
from functools import partial

from drivers.contract import Heard, Hearing, Skip
from drivers.errors import BadReply

Said = Callable[[Heard], None]
Reply = Callable[[bytes], None]
Answer = Callable[[Callable[[], None]], None]
"""Takes the sending of a reply, to be done when what it acknowledges is safe."""


def at_once(send: Callable[[], None]) -> None:
    """Nobody keeps what is heard: it is acknowledged as it comes."""
    send()


class Ear:
    """The input of one port or connection."""

    def __init__(
        self, hearing: Hearing, faults: Counter[str], said: Said, reply: Reply, answer: Answer = at_once
    ) -> None:
        self.useful = 0
        """Messages of instruments that we know."""
        self.useless_bytes = 0
        """Bytes since the last of them."""
        self._hearing = hearing
        self._faults = faults
        self._said = said
        self._reply = reply
        self._answer = answer
        self._input = bytearray()
        self._joined = hearing.safe_start
        self._silence: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return len(self._input)

    def add(self, data: bytes | bytearray | memoryview) -> None:
        """Take in what came; nothing is looked at yet."""
        self._input += data
        self.useless_bytes += len(data)

    def work(self, most: int) -> int:
        """Hand on up to `most` messages; how many there were. Less than `most`: the rest is not whole yet."""
        done = 0
        while self._input and done < most:
            verdict = self._hearing.cut(self._input)
            if verdict is None:
                self._await_silence()
                break
            done += 1
            if isinstance(verdict, Skip):
                if verdict.fault:
                    self._faults[verdict.fault] += 1
                self._joined = self._hearing.safe_start
                del self._input[: verdict.upto]
                continue
            del self._input[: verdict.end]
            self._message(verdict.payload)
        return done

    def close(self) -> None:
        """Forget what is not whole."""
        if self._silence is not None:
            self._silence.cancel()
        self._input.clear()

    def _message(self, message: bytes) -> None:
        if not self._joined:
            # what stands before the first end may be the rest of a message, and its digits the rest of a number
            self._joined = True
            self._faults["joined_late"] += 1
            return
        try:
            found = self._hearing.heard(message)
        except BadReply as error:
            self._faults[error.fault] += 1
            return
        for heard in found:
            self.useful += 1
            self.useless_bytes = len(self._input)
            for fault in heard.faults:
                self._faults[fault] += 1
            self._said(heard)
            if heard.reply:
                self._answer(partial(self._reply, heard.reply))

    def _await_silence(self) -> None:
        if self._hearing.silence_s is None:
            return
        if self._silence is not None:
            self._silence.cancel()
        loop = asyncio.get_running_loop()
        self._silence = loop.call_later(self._hearing.silence_s, self._silent)

    def _silent(self) -> None:
        message = bytes(self._input)
        self._input.clear()
        if message:
            self._message(message)
