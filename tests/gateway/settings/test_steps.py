"""`steps` and `derived` of a site file: what they become, and what is said of mistakes."""

from pathlib import Path

import pytest

from gateway.processing import pipeline_of
from gateway.settings import SettingsError, Site, load
from tests.gateway.settings.example import SITE, line_of, put

STEPS = (
    SITE
    + """\
steps:
  windows: {system: cems, periods: [1m, 1h]}
derived:
  - id: stack
    title: Stack
    from: {so2: cems-1/so2, nox: cems-1/nox}
    constants: {area: 2.5}
    points:
      - {id: sum, value: "so2 + nox"}
      - {id: so2_ref, quantity: so2, value: "oxygen_corrected(so2, 11, 9)"}
    steps:
      limits: [{point: so2_ref, above: 35, of: 1h}]
vapour_recovery:
  nozzles: [{nozzle: "1", fuel: nozzle-1/n1_fuel, vapour: nozzle-1/n1_vapour}]
  tank: nozzle-1/extra
"""
)


def loaded(folder: Path, text: str = STEPS) -> Site:
    return load(put(folder, text))


def problems(folder: Path, old: str, new: str) -> list[str]:
    assert STEPS.count(old) == 1, old
    with pytest.raises(SettingsError) as found:
        loaded(folder, STEPS.replace(old, new))
    return [str(problem) for problem in found.value.problems if problem.level == "error"]


def test_steps_of_the_site_hold_for_all_and_those_of_an_instrument_come_before_them(tmp_path: Path) -> None:
    text = STEPS.replace("    every: 1s\n", "    every: 1s\n    steps: {windows: {periods: []}, watch: [nox]}\n")
    site = loaded(tmp_path, text)
    assert site.steps["nozzle-1"].windows is not None
    assert site.steps["nozzle-1"].windows.system == "cems"
    assert site.steps["cems-1"].windows is not None
    assert site.steps["cems-1"].windows.periods == ()
    assert site.steps["cems-1"].watch == ("nox",)
    assert site.steps["stack"].windows is not None


def test_calculated_instrument_has_units_and_codes_of_its_quantities(tmp_path: Path) -> None:
    site = loaded(tmp_path)
    (spec,) = [spec for spec in site.everything if spec.id == "stack"]
    assert [(point.id, point.unit, point.factor) for point in spec.points] == [
        ("sum", None, None),
        ("so2_ref", "mg/m3", "a21026"),
    ]
    assert spec.every_s == 1.0
    assert "stack" not in {spec.id for spec in site.instruments}


def test_pipeline_knows_whom_it_has_work_with(tmp_path: Path) -> None:
    pipeline = pipeline_of(loaded(tmp_path))
    assert "cems-1" in pipeline
    assert "room" not in pipeline


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("value: \"so2 + nox\"", "value: \"so2 + \"", "column 6"),
        ("value: \"so2 + nox\"", "value: \"so2 + noy\"", "column 7: the formula of sum uses 'noy'"),
        ("value: \"so2 + nox\"", "value: \"so2_ref + nox\"", "uses 'so2_ref', which it does not know"),
        ("so2: cems-1/so2", "so2: cems-2/so2", "there is no instrument 'cems-2'; did you mean 'cems-1'?"),
        ("so2: cems-1/so2", "so2: cems-1/so3", "has no point 'so3'; did you mean 'so2'?"),
        ("so2: cems-1/so2", "so2: cems-1", "'from.so2'"),
        ("  - id: stack", "  - id: room", "there is an instrument 'room' already"),
        ("constants: {area: 2.5}", "constants: {so2: 2.5}", "is a constant and an input"),
        ("{id: sum, ", "{id: nox, ", "is a value and an input"),
        ("above: 35, of: 1h", "above: 35, below: 1", "either above or below"),
        ("above: 35, of: 1h", "above: 35, clear: 40", "wrong side"),
        ("point: so2_ref, above", "point: so2_rev, above", "limits of stack names point 'so2_rev'"),
        ("quantity: so2, value", "quantity: so4, value", "there is no quantity 'so4'"),
        ("periods: [1m, 1h]", "periods: [1m, 2h]", "periods"),
        ("system: cems", "system: cem", "did you mean 'cems'?"),
        ("fuel: nozzle-1/n1_fuel", "fuel: nozzle-1/n1_fuels", "nozzle-1 has no point 'n1_fuels'"),
        ("tank: nozzle-1/extra", "tank: cems-1/so2", "tank of vapour_recovery is measured in mg/m3"),
        ("tank: nozzle-1/extra", "tank: nozle-1/extra", "there is no instrument 'nozle-1'; did you mean 'nozzle-1'?"),
        ("tank: nozzle-1/extra", "tank: nozzle-1/extra\n  parameters: {share: 25}", "share"),
    ],
)  # fmt: skip
def test_mistake_is_named_at_its_place(tmp_path: Path, old: str, new: str, words: str) -> None:
    found = problems(tmp_path, old, new)
    assert any(words in problem for problem in found), found
    lines = {int(problem.split(":")[1]) for problem in found}
    assert any(abs(line_of(STEPS, old) - line) <= 1 for line in lines), found


@pytest.mark.parametrize(
    ("steps", "words"),
    [
        ("{watch: [nix]}", "watch of cems-1 names point 'nix'"),
        ("{checks: {nix: {stuck: 1h}}}", "checks of cems-1 names point 'nix'"),
        ("{checks: {nox: {}}}", "checks nothing"),
        ("{deadband: {points: {nix: 1}}}", "deadband of cems-1 names point 'nix'"),
        ("{marks: [{when: rom/x}]}", "there is no instrument 'rom'; did you mean 'room'?"),
        ("{marks: [{when: room/x}]}", "room has no point 'x'"),
        ("{windows: {points: [nix]}}", "windows of cems-1 names point 'nix'"),
        ("{limits: [{point: nox, above: 1}, {point: nox, above: 2}]}", "same name 'nox'"),
        ("{window: {}}", "did you mean 'windows'?"),
    ],
)
def test_step_must_name_what_is_there(tmp_path: Path, steps: str, words: str) -> None:
    found = problems(tmp_path, "    every: 1s\n", f"    every: 1s\n    steps: {steps}\n")
    assert any(words in problem for problem in found), found
