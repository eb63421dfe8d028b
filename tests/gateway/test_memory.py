"""What the process tells the garbage collector, tried in a process of its own."""

import subprocess
import sys

CODE = """
import gc
from gateway.memory import RUNNING, STARTING, Memory, starting


class Ring:
    def __init__(self):
        self.itself = self
        self.filler = [[] for _ in range(1000)]


starting()
assert gc.get_threshold() == STARTING
site = Ring()
memory = Memory()
memory.settled()
assert gc.get_threshold() == RUNNING and gc.isenabled()
frozen = gc.get_freeze_count()
assert frozen > 1000 and len(gc.get_objects()) < 100, frozen

memory.starting()
assert gc.get_threshold() == STARTING and gc.get_freeze_count() == 0
site = None
before = len(gc.get_objects())
memory.settled()
assert gc.get_freeze_count() < before - 1000, "the site before is still there"
"""


def test_what_a_start_made_is_left_alone_and_what_a_reload_ends_is_given_back() -> None:
    ended = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, timeout=50)
    assert ended.returncode == 0, ended.stderr
