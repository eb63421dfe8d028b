"""`python -m tests.benchmarks.with_stages OUT run SITE`: fieldgate with a CPU clock around each stage.

Writes to OUT, at every second, the CPU ns of each stage by thread. A stage's time is its own: what it calls that is
a stage too is not in it. The clocks cost about a tenth, so the sum is for the shares, not for the total.
"""

import json
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

from drivers.line.tagged import TaggedLine
from drivers.modbus.driver import ModbusDriver
from gateway.broker.connection import Connection
from gateway.log import commits, log, work, writer
from gateway.polling.poller import Poller
from gateway.polling.schedule import Schedule

STAGES: tuple[tuple[Any, str, str], ...] = (
    (Schedule, "choose", "schedule"),
    (TaggedLine, "_send_next", "send requests"),
    (TaggedLine, "_received", "check answers"),
    (ModbusDriver, "conclude", "decode"),
    (Poller, "_hand_on", "stamp and count"),
    (log.Log, "add", "gather"),
    (commits.Commits, "_around", "prepare a commit"),
    (commits.Commits, "show", "show a commit"),
    (work, "encoded", "encode, hash, compress"),
    (writer, "commit", "database"),
    (Connection, "send", "publish"),
    (Connection, "_readable", "acknowledgements"),
)
EVERY_S = 1.0

spent_ns: Counter[str] = Counter()
_running = threading.local()


def clocked(function: Callable[..., Any], stage: str) -> Callable[..., Any]:
    """The function with its CPU time counted for the stage, and taken off the stage that called it."""

    @wraps(function)
    def measured(*args: Any, **kwargs: Any) -> Any:
        outer = getattr(_running, "inner_ns", 0)
        _running.inner_ns = 0
        began_ns = time.thread_time_ns()
        try:
            return function(*args, **kwargs)
        finally:
            whole_ns = time.thread_time_ns() - began_ns
            spent_ns[stage] += whole_ns - _running.inner_ns
            _running.inner_ns = outer + whole_ns

    return measured


def tell(out: Path, loop_thread: int) -> None:
    """Write down what was spent so far, again and again."""
    own = out.with_suffix(".new")
    while True:
        time.sleep(EVERY_S)
        loop_ns = time.clock_gettime_ns(time.pthread_getcpuclockid(loop_thread))
        own.write_text(json.dumps({**spent_ns, "loop": loop_ns, "process": time.process_time_ns()}), "utf-8")
        own.replace(out)


def main() -> None:
    """Put the clocks in and run."""
    from gateway.__main__ import main as fieldgate

    for owner, name, stage in STAGES:
        setattr(owner, name, clocked(getattr(owner, name), stage))
    out = Path(sys.argv.pop(1))
    threading.Thread(target=tell, args=(out, threading.get_ident()), daemon=True).start()
    fieldgate()


if __name__ == "__main__":
    main()
