"""The exported schema and docs/site-file.md say what the models say."""

from pathlib import Path

import jsonschema
import pytest

from drivers import catalogue
from gateway.settings.docs import page
from gateway.settings.document import read
from gateway.settings.facts import keys
from gateway.settings.model import LineKeys, LogSettings, SiteKeys
from gateway.settings.schema import profile_schema, schema

ROOT = Path(__file__).parents[3]


def test_the_page_of_all_keys_has_not_drifted() -> None:
    written = (ROOT / "docs" / "site-file.md").read_text("utf-8")
    assert written == page(), "run: python -m gateway.settings.docs > docs/site-file.md"


def test_a_key_tells_type_range_default_and_meaning() -> None:
    by_name = {key.name: key for key in (*keys(LineKeys), *keys(LogSettings))}
    timeout = by_name["timeout"]
    assert (timeout.kind, timeout.limits, timeout.default) == ("duration", "from 10ms to 5m", "1s")
    assert (by_name["max_size"].kind, by_name["max_size"].default) == ("size", "2GiB")
    assert by_name["parity"].choices == ("none", "even", "odd")


def test_every_key_has_a_meaning() -> None:
    rows = [line for line in page().splitlines() if line.startswith("| `")]
    assert len(rows) > 100
    assert [row for row in rows if row.endswith("|  |")] == []


def test_durations_are_text_in_the_schema() -> None:
    line = schema()["$defs"]["LineKeys"]["properties"]["timeout"]
    assert line["type"] == "string"
    assert line["default"] == "1s"


def test_the_schema_has_the_keys_of_every_protocol() -> None:
    made = schema()
    for name in catalogue.names():
        known = {key.name for key in keys(catalogue.protocol(name).point)}
        assert set(made["$defs"][f"{name}.point"]["properties"]) == known
    assert set(made["properties"]) == set(SiteKeys.model_fields)


@pytest.mark.parametrize("path", sorted((ROOT / "config/sites").glob("*.yaml")), ids=lambda path: path.stem)
def test_the_schema_accepts_every_site(path: Path) -> None:
    jsonschema.validate(read(path).plain(), schema())


@pytest.mark.parametrize("path", sorted((ROOT / "config/profiles").glob("*/*.yaml")), ids=lambda path: path.stem)
def test_the_schema_accepts_every_profile(path: Path) -> None:
    jsonschema.validate(read(path).plain(), profile_schema())


def test_the_schema_refuses_what_check_refuses() -> None:
    site = read(ROOT / "config/sites/boiler_house.yaml").plain()
    site["lines"]["cems"]["timeout"] = 5
    with pytest.raises(jsonschema.ValidationError, match="5 is not of type 'string'"):
        jsonschema.validate(site, schema())
