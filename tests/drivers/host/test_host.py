"""Sensors of the machine itself: files of sysfs, industrial I/O, GPIO inputs, below a root of the test's own."""

import asyncio
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from pydantic import ValidationError

from drivers.contract import Flag, Sample
from drivers.host.driver import driver, read
from drivers.host.source import HostPoint
from drivers.line import FieldLine, gpio, open_line
from drivers.profile import InstrumentSpec, LineSpec
from drivers.values import Measured, Odd


def put(root: Path, **files: str) -> None:
    for name, text in files.items():
        path = root / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n")


@asynccontextmanager
async def machine(root: Path) -> AsyncIterator[FieldLine]:
    line = open_line(LineSpec(name="box", kind="local", path=str(root)), None)
    task = asyncio.create_task(line.run())
    try:
        assert await line.wait_up(5.0)
        yield line
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def polled(root: Path, *points: dict[str, object]) -> Sample:
    spec = InstrumentSpec(
        id="box", line="box", protocol="host", profile=None, address="box", every_s=1.0, timeout_s=5.0,
        points=tuple(HostPoint.model_validate({"id": f"p{at}", **point}) for at, point in enumerate(points)),
    )  # fmt: skip
    async with machine(root) as line:
        return await driver(spec, line, line.spec).poll()


async def test_temperature_and_supply_are_read_from_their_files(tmp_path: Path) -> None:
    put(
        tmp_path,
        sys__class__thermal__thermal_zone0__temp="48312",
        sys__class__thermal__thermal_zone0__type="cpu-thermal",
        sys__class__hwmon__hwmon1__name="rpi_volt",
        sys__class__hwmon__hwmon1__in0_lcrit_alarm="1",
        sys__class__power_supply__mains__online="0",
    )
    sample = await polled(
        tmp_path,
        {"file": "class/thermal/thermal_zone0/temp", "scale": 0.001, "unit": "°C", "range": (-20, 45)},
        {"group": "class/thermal", "named": "cpu-thermal", "file": "temp", "scale": 0.001, "unit": "°C"},
        {"group": "class/hwmon", "named": "rpi_volt", "file": "in0_lcrit_alarm", "type": "bool"},
        {"group": "class/power_supply", "named": "mains", "file": "online", "type": "bool"},
    )
    assert sample.values == (48.312, 48.312, True, False)
    assert sample.flags == {0: Flag.OUT_OF_RANGE}


async def test_analogue_input_is_raw_plus_offset_times_scale_and_exact(tmp_path: Path) -> None:
    folder = "sys__bus__iio__devices__iio:device0__"
    files = {"name": "ads1115", "in_voltage0_raw": "18000", "in_voltage_scale": "0.125", "in_voltage1_raw": "100"}
    files |= {"in_voltage1_scale": "0.1", "in_voltage1_offset": "-30", "in_temp_input": "21562"}
    put(tmp_path, **{folder + name: text for name, text in files.items()})
    sample = await polled(
        tmp_path,
        {"iio": "ads1115", "channel": "in_voltage0", "unit": "V"},
        {"iio": "ads1115", "channel": "in_voltage0", "scale": 0.025, "offset": -12.5, "unit": "%"},
        {"iio": "iio:device0", "channel": "in_voltage1", "unit": "mV"},
        {"iio": "ads1115", "channel": "in_temp", "unit": "°C"},
    )
    assert sample.values == (2.25, 43.75, 7, 21.562)


async def test_source_that_is_not_there_costs_only_its_own_point(tmp_path: Path) -> None:
    put(tmp_path, sys__class__thermal__a__temp="1", sys__class__thermal__b__temp="junk")
    sample = await polled(
        tmp_path,
        {"file": "class/thermal/a/temp"},
        {"file": "class/thermal/none/temp"},
        {"file": "class/thermal/b/temp"},
        {"iio": "ads1115", "channel": "in_voltage0"},
        {"gpio": "gpiochip0", "line": 3},
        {"file": "../etc/passwd"},
        {"group": "class/hwmon", "named": "x", "file": "y"},
    )
    assert sample.values == (1, None, None, None, None, None, None)
    assert sample.why[1].startswith("exception: ")
    assert "class/thermal/none/temp: No such file or directory" in sample.why[1]
    assert sample.why[2] == "invalid: 'junk' is no number"
    assert sample.why[3] == "exception: ads1115: nothing below bus/iio/devices is called so"
    assert sample.why[4] == "exception: gpiochip0: no GPIO chip has this name or label"
    assert sample.why[5] == "exception: ../etc/passwd: a file below /sys is meant"


async def test_simulated_gpio_follows_its_level_and_active_low_turns_it(tmp_path: Path) -> None:
    put(tmp_path, sys__none="", dev__gpiochip0="0100")
    points = ({"gpio": "gpiochip0", "line": at, "active_low": low} for at, low in ((0, False), (1, False), (1, True)))
    assert (await polled(tmp_path, *points)).values == (False, True, False)


async def test_machine_without_sys_is_a_line_that_is_down(tmp_path: Path) -> None:
    line = open_line(LineSpec(name="box", kind="local", path=str(tmp_path)), None)
    task = asyncio.create_task(line.run())
    assert not await line.wait_up(0.1)
    assert line.state == f"{tmp_path}/sys: no such directory"
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


# -- the kernel's interface -------------------------------------------------------------------------------


def test_structures_and_numbers_are_those_of_the_kernels_header(tmp_path: Path) -> None:
    source = tmp_path / "gpio.c"
    source.write_text(
        """#include <stdio.h>
#include <stddef.h>
#include <linux/gpio.h>
int main(void) { printf("%lu %lu %lu %lu %lu %lu %zu %zu %zu %zu %llu %llu %llu %llu %llu\\n",
  (unsigned long)GPIO_GET_CHIPINFO_IOCTL, (unsigned long)GPIO_V2_GET_LINE_IOCTL,
  (unsigned long)GPIO_V2_LINE_GET_VALUES_IOCTL, sizeof(struct gpiochip_info), sizeof(struct gpio_v2_line_request),
  sizeof(struct gpio_v2_line_values), offsetof(struct gpio_v2_line_request, consumer),
  offsetof(struct gpio_v2_line_request, config.flags), offsetof(struct gpio_v2_line_request, num_lines),
  offsetof(struct gpio_v2_line_request, fd), GPIO_V2_LINE_FLAG_INPUT, GPIO_V2_LINE_FLAG_ACTIVE_LOW,
  GPIO_V2_LINE_FLAG_BIAS_PULL_UP, GPIO_V2_LINE_FLAG_BIAS_PULL_DOWN, GPIO_V2_LINE_FLAG_BIAS_DISABLED); }
"""
    )
    program = tmp_path / "gpio"
    subprocess.run(["gcc", "-o", str(program), str(source)], check=True)
    printed = subprocess.run([str(program)], check=True, capture_output=True, text=True).stdout
    assert [int(word) for word in printed.split()] == [
        gpio.GET_CHIP_INFO, gpio.GET_LINE, gpio.GET_VALUES, gpio.CHIP_INFO.size, gpio.LINE_REQUEST.size,
        gpio.LINE_VALUES.size, 64 * 4, 64 * 4 + 32, 64 * 4 + 32 + 272, 588, gpio.INPUT, gpio.ACTIVE_LOW,
        gpio.BIAS["pull_up"], gpio.BIAS["pull_down"], gpio.BIAS["none"],
    ]  # fmt: skip


class Chip:
    """A GPIO chip that answers as the kernel does; each requested line is an end of a pipe."""

    def __init__(self) -> None:
        self.levels = {17: 1}
        self.requested: list[tuple[int, int, bytes]] = []
        self.broken = False
        self._offsets: dict[int, int] = {}

    def __call__(self, fd: int, request: int, data: bytearray) -> int:
        if request == gpio.GET_CHIP_INFO:
            data[:] = gpio.CHIP_INFO.pack(b"gpiochip7", b"pinctrl-bcm2711", 58)
        elif request == gpio.GET_LINE:
            fields = gpio.LINE_REQUEST.unpack(bytes(data))
            offset, consumer, flags = fields[0], fields[64], fields[65]
            self.requested.append((offset, flags, consumer.rstrip(b"\0")))
            held = __import__("os").dup(fd)
            self._offsets[held] = offset
            data[-4:] = held.to_bytes(4, "little", signed=True)
        else:
            if self.broken:
                raise OSError(19, "No such device")
            _, mask = gpio.LINE_VALUES.unpack(bytes(data))
            data[:] = gpio.LINE_VALUES.pack(self.levels[self._offsets[fd]], mask)
        return 0


def test_line_is_requested_once_as_an_input_held_and_given_back(tmp_path: Path) -> None:
    (tmp_path / "dev").mkdir()
    (tmp_path / "dev" / "gpiochip7").symlink_to("/dev/null")  # a character device
    chip = Chip()
    inputs = gpio.Inputs(tmp_path, chip)
    flags = gpio.INPUT | gpio.BIAS["pull_up"]
    assert [inputs.read("pinctrl-bcm2711", 17, flags), inputs.read("pinctrl-bcm2711", 17, flags)] == [True, True]
    chip.levels[17] = 0
    assert inputs.read("pinctrl-bcm2711", 17, flags) is False
    assert chip.requested == [(17, flags, b"fieldgate")]
    chip.broken = True
    with pytest.raises(OSError, match="No such device"):
        inputs.read("pinctrl-bcm2711", 17, flags)
    chip.broken = False
    assert inputs.read("gpiochip7", 17, flags) is False
    assert inputs.read("pinctrl-bcm2711", 17, flags) is False
    assert len(chip.requested) == 3  # anew after the failure, and once under the other name
    inputs.close()


@pytest.mark.parametrize(
    ("point", "said"),
    [
        ({}, "exactly one of them"),
        ({"file": "a", "gpio": "gpiochip0", "line": 1}, "exactly one of them"),
        ({"iio": "x"}, "`iio` and `channel`"),
        ({"gpio": "gpiochip0"}, "`gpio` and `line`"),
        ({"file": "a", "named": "b"}, "go together"),
        ({"file": "a", "bias": "pull_up"}, "are for gpio"),
        ({"gpio": "gpiochip0", "line": 1, "scale": 2}, "are for numbers"),
    ],
)
def test_settings_that_cannot_work_are_refused_in_words(point: dict[str, object], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        HostPoint.model_validate({"id": "p", **point})


@pytest.mark.parametrize("text", ["", "raw 1 scale x offset 0", "raw 1", "nan", "1e999", "input -", "0x10"])
def test_text_that_is_no_number_is_odd(text: str) -> None:
    for point in ({"file": "a"}, {"iio": "x", "channel": "in_voltage0"}):
        found = read(HostPoint.model_validate({"id": "p", **point}), text)
        assert isinstance(found, Odd)
    assert isinstance(read(HostPoint.model_validate({"id": "p", "file": "a"}), "-4"), Measured)
