"""The catalogue has every protocol that there is a folder for."""

from pathlib import Path

from drivers import catalogue

DRIVERS = Path(__file__).parents[2] / "drivers"


def test_every_folder_with_a_protocol_is_in_the_catalogue() -> None:
    assert {path.parent.name for path in DRIVERS.glob("*/protocol.py")} == set(catalogue.BUILT_IN)


def test_every_protocol_is_named_as_its_folder_and_has_its_page() -> None:
    for name in catalogue.BUILT_IN:
        assert catalogue.protocol(name).name == name
        assert name == "modbus" or (DRIVERS.parent / "docs" / "protocols" / f"{name}.md").is_file()
