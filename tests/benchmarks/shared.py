"""The benchmark's fixed part, which lies beside the project: farm in C, yardstick gateways, the broker's settings.

`FIELDGATE_BENCH` names its folder where it is not `../shared/bench`.
"""

import os
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]
BENCH = Path(os.environ.get("FIELDGATE_BENCH", ROOT.parent / "shared" / "bench"))
OWN_FARM = Path(__file__).parent / "farm" / "decimal_farm.c"


def is_there() -> bool:
    """Whether the shared benchmark lies where it is looked for."""
    return (BENCH / "ref_gw.py").is_file() and (BENCH / "farm" / "farm.c").is_file()


def compiled(source: Path, folder: Path) -> Path:
    """The program made from one C file, in `folder`; made once."""
    program = folder / source.stem
    if program.exists():
        return program
    subprocess.run(["cc", "-O2", "-Wall", "-o", str(program), str(source)], check=True)
    return program


def broker_settings(port: int, folder: Path) -> str:
    """The broker's settings that all gateways are measured with."""
    text = (BENCH / "mosquitto.conf.in").read_text("utf-8")
    text = text.replace("@PORT@", str(port)).replace("@DIR@", str(folder))
    return ("user root\n" if os.getuid() == 0 else "") + text
