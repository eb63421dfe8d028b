"""Questions to config/quantities.yaml."""

import re
from collections import Counter
from pathlib import Path

import pytest

from gateway.settings.problem import Problem
from gateway.settings.quantities import Vocabulary
from gateway.settings.site import quantities

CONFIG = Path(__file__).parents[2] / "config"
NOISE = {"LA", "L5", "L10", "L50", "L90", "L95", "Leq", "Ldn", "Ld", "Ln", "LMx", "LMn"}
"""HJ 212-2017 Annex B, table B.3."""
CODE = re.compile(r"[aw]\d{5}|i\d{5}")
"""Air, water and information codes of HJ 212-2017 Annex B."""

FROM_THE_STANDARD = {
    "so2": ("a21026", "mg/m3"), "nox": ("a21002", "mg/m3"), "dust": ("a34013", "mg/m3"), "o2_dry": ("a19001", "%"),
    "flue_gas_flow": ("a00000", "m3/s"), "flue_gas_pressure": ("a01013", "kPa"), "cod": ("w01018", "mg/L"),
    "ammonia_nitrogen": ("w21003", "mg/L"), "total_phosphorus": ("w21011", "mg/L"), "water_flow": ("w00000", "L/s"),
    "chromium_6_water": ("w20117", "ug/L"), "air_pressure": ("a01006", "kPa"), "noise": ("LA", "dB"),
}  # fmt: skip


@pytest.fixture(scope="module")
def words() -> Vocabulary:
    problems: list[Problem] = []
    made = quantities([CONFIG], problems)
    assert not problems
    return made


def test_factor_codes_are_codes_of_the_standard(words: Vocabulary) -> None:
    odd = [
        name
        for name, quantity in words.quantities.items()
        if quantity.factor and not CODE.fullmatch(quantity.factor) and quantity.factor not in NOISE
    ]
    assert not odd


def test_no_two_quantities_share_a_factor_code(words: Vocabulary) -> None:
    codes = Counter(quantity.factor for quantity in words.quantities.values() if quantity.factor)
    assert [code for code, count in codes.items() if count > 1] == []


def test_codes_and_units_agree_with_annex_b(words: Vocabulary) -> None:
    found = {name: (words.quantities[name].factor, words.quantities[name].unit) for name in FROM_THE_STANDARD}
    assert found == FROM_THE_STANDARD


def test_names_are_plain_words(words: Vocabulary) -> None:
    assert [name for name in words.quantities if not re.fullmatch(r"[a-z][a-z0-9_]*", name)] == []


def test_each_has_its_meaning_in_both_languages(words: Vocabulary) -> None:
    odd = [
        name
        for name, quantity in words.quantities.items()
        if not re.search(r"[a-z]", quantity.en) or not re.search(r"[\u4e00-\u9fff]|PM1|pH", quantity.zh)
    ]
    assert not odd


def test_ranges_rise(words: Vocabulary) -> None:
    assert [name for name, one in words.quantities.items() if one.range and one.range[0] >= one.range[1]] == []


def test_a_unit_that_stands_under_also_is_not_the_quantitys_own(words: Vocabulary) -> None:
    assert [name for name, one in words.quantities.items() if one.unit in one.also] == []


def test_a_doubtful_code_says_so(words: Vocabulary) -> None:
    """Codes that HJ 212-2017 Annex B does not have, or prints in another unit (domain.md §1.8)."""
    doubtful = {"w01003", "a05024", "a34001", "a34002", "a34004", "a34005"}
    silent = [name for name, one in words.quantities.items() if one.factor in doubtful and not one.confidence]
    assert not silent
