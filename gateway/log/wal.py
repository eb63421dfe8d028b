"""What a WAL file shows from outside (SQLite file format §4): whether it ends as a commit left it."""

import struct
from pathlib import Path

HEADER = 32
FRAME_HEADER = 24
_MAGIC = (0x377F0682, 0x377F0683)


def beside(path: Path, ending: str) -> Path:
    """`log.db` -> `log.db-wal` and the like."""
    return path.with_name(path.name + ending)


def ends_torn(path: Path) -> bool:
    """Whether frames of the current WAL lie beyond what SQLite has recovered as commits of the log at `path`.

    A commit that a power cut interrupted looks so, and so does a damaged tail of commits that had returned. To be
    asked after SQLite has read the WAL (its index says how far it believes it) and before a checkpoint.
    """
    try:
        with beside(path, "-wal").open("rb") as file, beside(path, "-shm").open("rb") as index:
            header = file.read(HEADER)
            if len(header) < HEADER:
                return len(header) > 0
            fields = struct.unpack(">8I", header)
            if fields[0] not in _MAGIC or checksum(header[:24], fields[0] & 1 == 1) != fields[6:]:
                return True
            index_header = index.read(20)
            believed = struct.unpack("=I", index_header[16:20])[0] if len(index_header) == 20 else 0
            file.seek(HEADER + believed * (FRAME_HEADER + fields[2]))
            frame = file.read(FRAME_HEADER)
            return len(frame) == FRAME_HEADER and frame[8:16] == header[16:24]
    except FileNotFoundError:
        return False


def checksum(data: bytes, big_endian: bool, start: tuple[int, int] = (0, 0)) -> tuple[int, int]:
    """The WAL's running checksum over `data`, whose length is a multiple of 8 (file format §4.2)."""
    one, two = start
    words = struct.unpack(f"{'>' if big_endian else '<'}{len(data) // 4}I", data)
    for index in range(0, len(words), 2):
        one = (one + words[index] + two) & 0xFFFFFFFF
        two = (two + words[index + 1] + one) & 0xFFFFFFFF
    return one, two
