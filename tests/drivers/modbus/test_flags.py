"""Status registers as flags, with the rules of three real instruments."""

from typing import Any

from drivers.contract import Flag, Value
from drivers.modbus.flags import FlagRules
from drivers.modbus.source import FlagRule, ModbusPoint

FAULT, CALIBRATION = Flag.FAULT, Flag.CALIBRATION


def rules(*keys: dict[str, Any]) -> FlagRules:
    points = [
        ModbusPoint.model_validate({"id": "so2", "table": "input", "address": 34, "type": "float32"}),
        ModbusPoint.model_validate({"id": "no", "table": "input", "address": 36, "type": "float32"}),
        ModbusPoint.model_validate(
            {"id": "state", "table": "input", "address": 50, "type": "uint16", "states": {0: "good", 7: "error"}}
        ),
    ]
    return FlagRules([FlagRule.model_validate(one) for one in keys], points)


def applied(
    made: FlagRules,
    statuses: list[Value],
    values: list[Value] | None = None,
    flags: dict[int, Flag] | None = None,
    why: dict[int, str] | None = None,
) -> tuple[list[Value], dict[int, Flag], dict[int, str]]:
    known = [1.5, 2.5, "good"] if values is None else values
    marks, reasons = dict(flags or {}), dict(why or {})
    held = [*known, *statuses]
    made.apply(held, marks, reasons)
    return held, marks, reasons


TELEDYNE = (
    {"table": "discrete", "address": 16, "flag": "C", "why": "zero calibration", "points": ["so2"]},
    {"table": "discrete", "address": 15, "flag": "D", "why": "invalid concentration", "points": ["so2"]},
)


def test_quiet_status_changes_nothing_again_and_again() -> None:
    made = rules(*TELEDYNE)
    for _ in range(3):
        assert applied(made, [False, False]) == ([1.5, 2.5, "good"], {}, {})
    assert applied(made, [True, False])[1] == {0: CALIBRATION}
    assert applied(made, [False, False])[1] == {}


def test_first_rule_that_applies_wins_and_the_value_stays() -> None:
    assert applied(rules(*TELEDYNE), [True, True]) == (
        [1.5, 2.5, "good"],
        {0: CALIBRATION},
        {0: "status: zero calibration"},
    )


def test_rule_without_points_speaks_of_all() -> None:
    made = rules({"table": "holding", "address": 1, "bit": 2, "when": False, "flag": "M"})
    values, flags, why = applied(made, [False])
    assert values == [1.5, 2.5, "good"]
    assert flags == dict.fromkeys(range(3), Flag.MAINTENANCE)
    assert why[1] == "status: holding 1 is 0"


def test_codes_of_a_value_status_as_ysi_has_them() -> None:
    made = rules(
        {"table": "input", "address": 3, "mask": 0xF0, "codes": {1: "N", 4: "B"}, "other": "D", "points": ["so2"]}
    )
    assert made.sources[0].mask == 0xF0
    assert applied(made, [1])[1] == {}
    assert applied(made, [4])[1:] == ({0: Flag.COMMUNICATION}, {0: "status: input 3 is 4"})
    assert applied(made, [9])[1] == {0: FAULT}


def test_dropped_value_is_null_and_counts_as_invalid() -> None:
    made = rules({"modicon": 30042, "codes": {3: "D"}, "why": "sensor error", "points": ["no"], "drop": True})
    assert applied(made, [3]) == ([1.5, None, "good"], {1: FAULT}, {1: "invalid: sensor error (input 41 is 3)"})


def test_null_keeps_its_reason_and_takes_the_flag() -> None:
    why = {0: "invalid: not a number"}
    found = applied(rules(*TELEDYNE), [True, False], [None, 2.5, "good"], {0: FAULT}, why)
    assert found == ([None, 2.5, "good"], {0: CALIBRATION}, {0: "invalid: not a number; zero calibration"})


def test_value_out_of_range_tells_both() -> None:
    found = applied(rules(*TELEDYNE), [True, False], None, {0: Flag.OUT_OF_RANGE}, {0: "range: 1.5 is above 1"})
    assert found[1:] == ({0: CALIBRATION}, {0: "status: zero calibration; range: 1.5 is above 1"})


def test_what_was_not_had_stays_so() -> None:
    nothing = {0: Flag.COMMUNICATION}
    found = applied(rules(*TELEDYNE), [True, False], [None, 2.5, "good"], nothing, {0: "timeout: no answer"})
    assert found == ([None, 2.5, "good"], nothing, {0: "timeout: no answer"})


def test_unread_status_makes_its_points_doubtful_and_no_others() -> None:
    refused = {3: Flag.COMMUNICATION}
    values, flags, why = applied(
        rules(*TELEDYNE), [None, False], None, refused, {3: "exception: 2 illegal data address"}
    )
    assert values == [None, 2.5, "good"]
    assert flags == {0: Flag.COMMUNICATION}
    assert why == {0: "exception: 2 illegal data address (its status, discrete 16)"}


def test_value_and_status_that_were_not_had_keep_the_reason_of_the_value() -> None:
    nothing = {0: Flag.COMMUNICATION, 3: Flag.COMMUNICATION}
    reasons = {0: "exception: 4 server device failure", 3: "exception: 2 illegal data address"}
    why = applied(rules(*TELEDYNE), [None, False], [None, 2.5, "good"], nothing, reasons)[2]
    assert why == {0: "exception: 4 server device failure"}


def test_point_of_the_feed_is_its_own_status_by_its_bare_code() -> None:
    made = rules({"point": "state", "codes": {7: "D"}, "points": ["so2"]})
    source = made.sources[0]
    assert (source.address, source.states, source.type) == (50, None, "uint16")
    assert applied(made, [7])[2] == {0: "status: state is 7"}
