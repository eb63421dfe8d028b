"""Answers of real meters and what they mean, from the test data of the libmbus project (BSD licence).

Of each: the bytes, identification, manufacturer, version, and its records as (function, storage number, quantity,
value, unit), units normalised to Wh, m3, W, s.
"""

TELEGRAMS: dict[str, tuple[str, str, str, int, list[tuple[str, int, str | None, float | str, str]]]] = {
    "ELV-Elvaco-CMa10": (
        "68 53 53 68 08 0B 72 61 15 01 24 96 15 16 00 3F 00 00 00 01 FD 1B 02 02 FC 03 48 52 25 74 22 15 "
        "22 FC 03 48 52 25 74 24 0D 12 FC 03 48 52 25 74 C3 1C 02 65 2E 08 22 65 5C 05 12 65 A2 0B 01 72 "
        "18 42 65 2C 08 82 01 65 1F 08 0C 78 61 15 01 24 03 FD 0F 00 00 04 1F BD 16",
        "24011561", "ELV", 22,
        [
            ("instantaneous", 0, "digital_input", 2.0, ""),
            ("instantaneous", 0, "text_unit", 54.1, ""),
            ("minimum", 0, "text_unit", 33.64, ""),
            ("maximum", 0, "text_unit", 73.63, ""),
            ("instantaneous", 0, "external_temperature", 20.94, "°C"),
            ("minimum", 0, "external_temperature", 13.72, "°C"),
            ("maximum", 0, "external_temperature", 29.78, "°C"),
            ("instantaneous", 0, "averaging_time", 86400.0, "s"),
            ("instantaneous", 1, "external_temperature", 20.92, "°C"),
            ("instantaneous", 2, "external_temperature", 20.79, "°C"),
            ("instantaneous", 0, "fabrication_number", 24011561.0, ""),
            ("instantaneous", 0, "software_version", 262144.0, ""),
        ],
    ),
    "SEN_Pollustat": (
        "68 71 71 68 08 04 72 88 17 01 00 AE 4C 06 0D 3E 00 00 00 04 6D 3B 0E E7 14 34 6D 00 00 01 01 34 "
        "FD 17 00 00 00 04 04 20 92 22 F1 00 04 24 A4 1A E7 00 04 86 3B 97 9B 00 00 04 13 BE 09 5E 00 05 "
        "2E B1 D1 2E BE 05 3E F5 B8 4E 40 05 5B B8 2D F9 41 05 5F 78 8B F9 41 05 63 00 80 3B BD 04 BE 50 "
        "71 BB B0 00 04 BE 58 F4 02 00 00 0C 78 88 17 01 00 02 7F 10 B5 5D 16",
        "00011788", "SEN", 6,
        [
            ("instantaneous", 0, "time", "2015-04-07T14:59:00Z", ""),
            ("error", 0, "time", "2000-01-01T00:00:00Z", ""),
            ("error", 0, "error_flags", 67108864.0, ""),
            ("instantaneous", 0, "on_time", 15803026.0, "s"),
            ("instantaneous", 0, "operating_time", 15145636.0, "s"),
            ("instantaneous", 0, "energy", 39831000.0, "Wh"),
            ("instantaneous", 0, "volume", 6162.878, "m3"),
            ("instantaneous", 0, "power", -170.721784, "W"),
            ("instantaneous", 0, "flow", 3.230039, "m3/h"),
            ("instantaneous", 0, "flow_temperature", 31.147324, "°C"),
            ("instantaneous", 0, "return_temperature", 31.1931, "°C"),
            ("instantaneous", 0, "temperature_difference", -0.045776, "K"),
            ("instantaneous", 0, "flow", 11582321.0, "m3/h"),
            ("instantaneous", 0, "flow", 756.0, "m3/h"),
            ("instantaneous", 0, "fabrication_number", 11788.0, ""),
            ("instantaneous", 0, None, -19184.0, ""),
        ],
    ),
    "allmess_cf50": (
        "68 3D 3D 68 08 01 72 00 51 20 02 82 4D 02 04 00 88 00 00 04 07 00 00 00 00 0C 15 03 00 00 00 0B "
        "2E 00 00 00 0B 3B 00 00 00 0A 5A 88 12 0A 5E 16 05 0B 61 23 77 00 02 6C 8C 11 02 27 37 0D 0F 60 "
        "00 67 16",
        "02205100", "SLB", 2,
        [
            ("instantaneous", 0, "energy", 0.0, "Wh"),
            ("instantaneous", 0, "volume", 0.3, "m3"),
            ("instantaneous", 0, "power", 0.0, "W"),
            ("instantaneous", 0, "flow", 0.0, "m3/h"),
            ("instantaneous", 0, "flow_temperature", 128.8, "°C"),
            ("instantaneous", 0, "return_temperature", 51.6, "°C"),
            ("instantaneous", 0, "temperature_difference", 77.23, "K"),
            ("instantaneous", 0, "date", "2012-01-12", ""),
            ("instantaneous", 0, "operating_time", 292291200.0, "s"),
        ],
    ),
    "eastron_sdm630": (
        "68 90 90 68 08 0A 72 78 65 34 21 24 40 01 02 55 00 00 00 0B FD 47 56 34 12 0B FD 47 56 34 12 0B "
        "FD 47 56 34 12 0B FD 47 56 34 12 0B FD 47 56 34 12 0B FD 47 56 34 12 0B FD 59 56 34 12 0B FD 59 "
        "56 34 12 0B FD 59 56 34 12 0B FD 59 56 34 12 0B 2A 56 34 12 0B 2A 56 34 12 0B 2A 56 34 12 0B 2A "
        "56 34 12 0B FD 3A 56 34 12 0B FD 3A 56 34 12 0B FD 3A 56 34 12 0B FD 3A 56 34 12 0A FD 3A 00 05 "
        "0A FD 3A 05 00 0A FD 3A 05 00 0A FD 3A 05 00 0A FD 3A 50 00 4D 16",
        "21346578", "PAD", 1,
        [
            ("instantaneous", 0, "voltage", 1234.56, "V"),
            ("instantaneous", 0, "voltage", 1234.56, "V"),
            ("instantaneous", 0, "voltage", 1234.56, "V"),
            ("instantaneous", 0, "voltage", 1234.56, "V"),
            ("instantaneous", 0, "voltage", 1234.56, "V"),
            ("instantaneous", 0, "voltage", 1234.56, "V"),
            ("instantaneous", 0, "current", 123.456, "A"),
            ("instantaneous", 0, "current", 123.456, "A"),
            ("instantaneous", 0, "current", 123.456, "A"),
            ("instantaneous", 0, "current", 123.456, "A"),
            ("instantaneous", 0, "power", 12345.6, "W"),
            ("instantaneous", 0, "power", 12345.6, "W"),
            ("instantaneous", 0, "power", 12345.6, "W"),
            ("instantaneous", 0, "power", 12345.6, "W"),
            ("instantaneous", 0, "dimensionless", 123456.0, ""),
            ("instantaneous", 0, "dimensionless", 123456.0, ""),
            ("instantaneous", 0, "dimensionless", 123456.0, ""),
            ("instantaneous", 0, "dimensionless", 123456.0, ""),
            ("instantaneous", 0, "dimensionless", 500.0, ""),
            ("instantaneous", 0, "dimensionless", 5.0, ""),
            ("instantaneous", 0, "dimensionless", 5.0, ""),
            ("instantaneous", 0, "dimensionless", 5.0, ""),
            ("instantaneous", 0, "dimensionless", 50.0, ""),
        ],
    ),
    "elv_temp_humid": (
        "68 53 53 68 08 05 72 34 08 00 54 96 15 32 00 F2 00 00 00 01 FD 1B 00 02 FC 03 48 52 25 74 D4 11 "
        "22 FC 03 48 52 25 74 C8 11 12 FC 03 48 52 25 74 B4 16 02 65 D0 08 22 65 70 08 12 65 23 09 01 72 "
        "18 42 65 E4 08 82 01 65 DD 08 0C 78 34 08 00 54 03 FD 0F 00 00 04 1F 5D 16",
        "54000834", "ELV", 50,
        [
            ("instantaneous", 0, "digital_input", 0.0, ""),
            ("instantaneous", 0, "text_unit", 45.64, ""),
            ("minimum", 0, "text_unit", 45.52, ""),
            ("maximum", 0, "text_unit", 58.12, ""),
            ("instantaneous", 0, "external_temperature", 22.56, "°C"),
            ("minimum", 0, "external_temperature", 21.6, "°C"),
            ("maximum", 0, "external_temperature", 23.39, "°C"),
            ("instantaneous", 0, "averaging_time", 86400.0, "s"),
            ("instantaneous", 1, "external_temperature", 22.76, "°C"),
            ("instantaneous", 2, "external_temperature", 22.69, "°C"),
            ("instantaneous", 0, "fabrication_number", 54000834.0, ""),
            ("instantaneous", 0, "software_version", 262144.0, ""),
        ],
    ),
}  # fmt: skip
