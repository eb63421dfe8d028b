"""What a site file says of the sensors of the machine itself; each point has its own source.

lines: {box: {local: /}}
instruments:
  - id: box
    line: box
    protocol: host
    address: box
    every: 10s
    points:
      - {id: cpu, file: class/thermal/thermal_zone0/temp, scale: 0.001, unit: "°C"}
      - {id: undervoltage, group: class/hwmon, named: rpi_volt, file: in0_lcrit_alarm, type: bool}
      - {id: tank_level, iio: ads1115, channel: in_voltage0, scale: 0.25, offset: -125, unit: "%"}     # 500-4500 mV
      - {id: door, gpio: gpiochip0, line: 17, bias: pull_up, active_low: true}
"""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from drivers.profile import Checked, Point

Word = Annotated[str, Field(pattern=r"^[^\s]+$", max_length=200)]
"""A name without spaces."""


class HostPoint(Point):
    """One value of the machine itself. Exactly one of file, iio, gpio says where it is."""

    file: Word | None = None
    """File below /sys, such as class/thermal/thermal_zone0/temp; with `group`: below the folder that is found."""
    group: Word | None = None
    """Folder below /sys whose folders have names, such as class/hwmon, class/thermal, class/power_supply."""
    named: Word | None = None
    """Which of them: the name of the folder, or what its file `name` or `type` says."""
    iio: Word | None = None
    """Industrial I/O device, by name (ads1115) or folder (iio:device0)."""
    channel: Annotated[str, Field(pattern=r"^in_[a-z0-9_-]+$")] | None = None
    """Channel of it, such as in_voltage0 (mV), in_temp (°C), in_humidityrelative (%), in_pressure (kPa)."""
    gpio: Word | None = None
    """GPIO chip, by device name (gpiochip0) or label (pinctrl-bcm2711)."""
    line: Annotated[int, Field(ge=0, le=65535)] | None = None
    """Line of the chip."""
    bias: Literal["as_is", "pull_up", "pull_down", "none"] = "as_is"
    """Resistor of the input."""
    active_low: bool = False
    """The input is true at low level: a contact to ground with a pull-up."""
    type: Literal["number", "bool", "text"] | None = None
    """Of a file: number (default), bool (0 is false, 1 true), or text. GPIO inputs are bools."""

    @property
    def is_bool(self) -> bool:
        """Whether the value is true or false."""
        return self.gpio is not None or self.type == "bool"

    @model_validator(mode="after")
    def _consistent(self) -> "HostPoint":
        given = [key for key in ("file", "iio", "gpio") if getattr(self, key) is not None]
        if len(given) != 1:
            raise ValueError("say where it is: file, iio or gpio, exactly one of them")
        if (self.group is None) != (self.named is None) or (self.group is not None and self.file is None):
            raise ValueError("`group`, `named` and `file` go together")
        if (self.iio is None) != (self.channel is None):
            raise ValueError("`iio` and `channel` go together")
        if (self.gpio is None) != (self.line is None):
            raise ValueError("`gpio` and `line` go together")
        if self.gpio is None and (self.bias != "as_is" or self.active_low):
            raise ValueError("`bias` and `active_low` are for gpio")
        if self.type is not None and self.file is None:
            raise ValueError("`type` is for files")
        if (self.is_bool or self.type == "text") and (self.scale != 1 or self.offset != 0):
            raise ValueError("scale and offset are for numbers")
        if self.scale == 0:
            raise ValueError("scale 0 would make every value the same")
        return self


class HostOptions(Checked):
    """Nothing is to be set for the machine itself."""
