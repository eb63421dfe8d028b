"""Frames of the standard and of real senders, LEN and CRC recomputed; and senders as a site file would make them."""

from typing import Any

from drivers.hj212.source import Hj212Options, Hj212Point
from drivers.profile import InstrumentSpec, LineSpec

RIGHT = (
    # HJ 212-2017, example of CN=1062 (printed once as 1C80 and once as 1C08; 1C80 is right)
    "##0101QN=20160801085857223;ST=32;CN=1062;PW=100000;MN=010000A8900016F000169DC0;Flag=5;CP=&&RtdInterval=30&&1C80",
    # HJ 212-2025, Annex A.1
    "##0087QN=20240601085857223;ST=32;CN=1011;PW=123456;MN=010000A8900016F000169DC0;Flag=9;CP=&&&&2200",
    # a public demonstration of a logger, 2017
    "##0354QN=20230803171130538;ST=31;CN=2011;PW=123456;MN=88888880000001234567;Flag=5;CP=&&DataTime=20230803165500;"
    "w01001-Rtd=0.000,w01001-Flag=N;w21003-Rtd=0.000,w21003-Flag=N;w01018-Rtd=0.000,w01018-Flag=N;e01002-Rtd=0.000,"
    "e01002-Flag=N;w01010-Rtd=0.000,w01010-Flag=N;e01001-Rtd=0.000,e01001-Flag=N;w01003-Rtd=0.000,w01003-Flag=N;"
    "w21011-Rtd=0.000,w21011-Flag=N&&A141",
    # a real sender with the codes of 2005, without Flag
    "##0231QN=20201216134702246;ST=32;CN=2011;PW=123456;MN=SD370300001043;CP=&&DataTime=20201216134641;011-Rtd=73.9200,"
    "011-Flag=N;060-Rtd=1.0900,060-Flag=N;B01-Rtd=70.7000,B01-Flag=N;B00-Rtd=1395185.0000,B00-Flag=N;001-Rtd=7.0380,"
    "001-Flag=N&&0280",
    # public code for 2025: real time and hour
    "##0247QN=20260706103512345;ST=21;CN=2011;PW=123456;MN=A110000_0001;Flag=9;CP=&&DataTime=20260706103000;w01010-Rtd=28.6,"
    "w01010-Flag=N;w01014-Rtd=7.8,w01014-Flag=N;w01001-Rtd=6.5,w01001-Flag=N;w01017-Rtd=15.2,w01017-Flag=N;"
    "w01019-Rtd=1.023,w01019-Flag=N&&1540",
    "##0247QN=20260706103512345;ST=21;CN=2061;PW=123456;MN=A110000_0001;Flag=9;CP=&&DataTime=20260706100000;w01010-Avg=28.4,"
    "w01010-Flag=N;w01014-Avg=7.7,w01014-Flag=N;w01001-Avg=6.6,w01001-Flag=N;w01017-Avg=15.0,w01017-Flag=N;"
    "w01019-Avg=1.022,w01019-Flag=N&&5280",
)  # fmt: skip
MODBUS = (
    "##0087QN=20170516010101001;ST=22;CN=1001;PW=123456;MN=ABCDEFG1234567;Flag=3;CP=&&WarnTime=5&&0323",
    "##0086QN=20170516010101001;ST=22;CN=3012;PW=123456;MN=ABCDEFG1234567;Flag=3;CP=&&PolId=101&&2253",
)
"""Right but for the CRC, which is that of Modbus; the standard's would be C841 and F9C1."""
ANSWERS = {
    "9014": "##0087QN=20160801085857223;ST=91;CN=9014;PW=123456;MN=010000A8900016F000169DC0;Flag=4;CP=&&&&3240\r\n",
    "9013": "##0087QN=20160801085857223;ST=91;CN=9013;PW=123456;MN=010000A8900016F000169DC0;Flag=4;CP=&&&&2A80\r\n",
}
LISTENING = LineSpec(name="line", kind="listen", host="127.0.0.1", port=1)
POINTS = (
    {"id": "cod", "item": "w01018-Rtd", "unit": "mg/L"},
    {"id": "nh3", "item": "w21003-Rtd", "unit": "mg/L", "range": (0, 100)},
    {"id": "ph", "item": "w01001-Rtd", "unit": "pH"},
)


def sender(
    name: str = "logger",
    mn: str = "MN1",
    points: tuple[dict[str, Any], ...] = POINTS,
    timeout_s: float = 1.0,
    **options: Any,
) -> InstrumentSpec:
    """One instrument: a command of a sender."""
    return InstrumentSpec(
        id=name, line="line", protocol="hj212", profile=None, address=mn, every_s=30.0, timeout_s=timeout_s,
        points=tuple(Hj212Point.model_validate(point) for point in points),
        options=Hj212Options.model_validate(options),
    )  # fmt: skip
