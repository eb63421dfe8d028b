"""`python -m tests.torture.readonly [--count 20] [--seed S]` (as root: it mounts an ext4 image)

The kernel makes the log's file system read-only under the running process, as it does after an error of a card
(`errors=remount-ro`; the error is the kernel's own, triggered in /sys). Such a file system is never writable again
before it has been unmounted and checked. Until then polling, metrics and the status go on, `/healthz` says what is
wrong, nothing is published that is not on the disk, and SIGTERM ends the process in time; after the repair the stream
goes on.
"""

import argparse
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.system.harness import until
from tests.torture.command import judged, seeded
from tests.torture.witness import Stage, Witness, counter, health, stage

IMAGE_MIB = 32
TROUBLE = "the log cannot be written"


def possible() -> bool:
    """Whether this machine mounts ext4 images and lets their errors be triggered."""
    return Path("/dev/loop-control").exists() and Path("/sys/fs/ext4/features").exists()


class Card:
    """An ext4 image mounted at `place`."""

    def __init__(self, image: Path, place: Path) -> None:
        self._image, self.place = image, place
        with image.open("wb") as file:
            file.truncate(IMAGE_MIB << 20)
        subprocess.run(["mkfs.ext4", "-q", "-F", image], check=True)
        place.mkdir()

    def mount(self) -> None:
        """Writable."""
        subprocess.run(["mount", "-o", "loop,errors=remount-ro", self._image, self.place], check=True)

    def fail(self) -> None:
        """The file system becomes read-only."""
        found = subprocess.run(["findmnt", "-no", "SOURCE", self.place], check=True, capture_output=True, text=True)
        Path("/sys/fs/ext4", Path(found.stdout.strip()).name, "trigger_fs_error").write_text("torture")

    def repair(self) -> None:
        """What an operator does: unmount, check, mount."""
        subprocess.run(["umount", self.place], check=True)
        checked = subprocess.run(["e2fsck", "-fy", self._image], capture_output=True, text=True, check=False)
        assert checked.returncode in (0, 1), checked.stdout  # 1: errors were corrected
        self.mount()


@contextmanager
def card(folder: Path) -> Iterator[Card]:
    """Mounted on entry."""
    made = Card(folder / "card.img", folder / "card")
    made.mount()
    try:
        yield made
    finally:
        subprocess.run(["umount", "-l", made.place], check=True)


def rounds(folder: Path, count: int, seed: int) -> Witness:
    """So many times read-only and repaired."""
    draw = random.Random(seed)
    with card(folder) as disk, stage(folder, disk.place) as scene:
        for number in range(count):
            _fail_once(scene, disk, draw, number)
        return scene.live_on()


def _fail_once(scene: Stage, disk: Card, draw: random.Random, number: int) -> None:
    before, met = scene.witness.newest, scene.gateway.output().count(TROUBLE) if number else 0
    scene.gateway.start()
    until(lambda: scene.witness.newest > before + draw.randrange(10), "batches of this start")
    time.sleep(draw.uniform(0.0, 0.2))  # the random moment
    disk.fail()
    until(lambda: scene.gateway.output().count(TROUBLE) > met, "the trouble, named")
    until(lambda: health(scene)[0] == 503, "a health check that fails")
    polls, batches = counter(scene, "fieldgate_polls_total"), scene.witness.newest
    until(lambda: counter(scene, "fieldgate_polls_total") > polls + 10, "polls while nothing can be written")
    if scene.witness.newest != batches:
        scene.witness.wrong.append(f"time {number}: something was published that is not on the disk")
    code = scene.gateway.stop()
    if code not in (0, 1):
        scene.witness.wrong.append(f"time {number}: the stop ended with {code}")
    disk.repair()
    scene.witness.compare_log()


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m tests.torture.readonly", description=__doc__)
    parser.add_argument("--count", type=int, default=20)
    chosen = seeded(parser)
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="fieldgate-readonly-") as folder:
        witness = rounds(Path(folder), chosen.count, chosen.seed)
    kept = judged(f"{chosen.count} times read-only in {time.monotonic() - began:.0f} s", witness)
    return 0 if kept and len(witness.streams) == 1 else 1


if __name__ == "__main__":
    sys.exit(main())
