"""How each command is called, with a word on what for: the end of its `--help`."""

EXAMPLES: dict[str, tuple[tuple[str, str], ...]] = {
    "run": (("run site.yaml", "the gateway, in the foreground"), ("run site.yaml --log-level debug", "with frames")),
    "check": (
        ("check site.yaml", "every mistake with its line and column"),
        ("check site.yaml --json", "the same for an editor or a deployment script"),
    ),
    "plan": (
        ("plan site.yaml", "what the wires will carry"),
        ("plan site.yaml --dead nozzle-1 --dead nozzle-2", "… when those two do not answer"),
    ),
    "read": (
        ("read site.yaml", "every instrument once"),
        ("read site.yaml so2-analyser", "only this one"),
        ("read site.yaml --json", "for a script"),
    ),
    "demo": (
        ("demo", "a live table, until Ctrl-C"),
        ("demo --seconds 60 --json > feed.jsonl", "a minute of batches, as they are in the feed"),
    ),
    "simulate": (("simulate site.yaml -o simulated.yaml", "then, in another terminal: fieldgate read simulated.yaml"),),
    "status": (
        ("status", "the gateway on this machine"),
        ("status site.yaml", "the one of this site file"),
        ("status --address 192.0.2.7:9469 --json", "another machine, for a script"),
    ),
    "verify": (
        ("verify /var/lib/fieldgate/log.db --key 3f…", "a log, with proof of origin"),
        ("verify feed.txt", "a feed recorded with mosquitto_sub"),
        ("verify mqtt://broker:1883 --seconds 300", "five minutes of a live feed"),
    ),
    "export": (
        ("export site.yaml --from 2026-11-23 --to 2026-11-24 -o day.csv", "one day for a spreadsheet"),
        ("export site.yaml --from 2026-11-01 -f bundle -o november.zip", "signed evidence for a USB stick"),
    ),
    "scan": (
        ("scan /dev/ttyUSB0 -o found.yaml", "every usual baudrate and parity"),
        ("scan tcp:192.0.2.10:502 --addresses 1-32", "a network device"),
        ("scan /dev/ttyUSB0 --baudrate 9600 --parity none --budget 1m", "when the settings are known"),
    ),
    "doctor": (
        ("doctor site.yaml#forecourt", "every instrument of that line, asked as the gateway does"),
        ("doctor /dev/ttyUSB0 --baudrate 9600 --addresses 1-4", "instruments that no site file has yet"),
        ("doctor site.yaml --polls 500 --seconds 1800 --json", "a long look, for a trouble that comes and goes"),
    ),
    "record": (
        ("record site.yaml -o monday", "every line of a site, polled as the gateway does"),
        ("record site.yaml#forecourt --seconds 60", "one line of it, for a minute"),
        ("record /dev/ttyUSB0 --baudrate 9600", "listen to a bus that another master polls"),
    ),
    "replay": (
        ("replay monday new-site.yaml", "what the new site file makes of Monday, value by value"),
        ("replay monday new-site.yaml --summary", "only how many polls differ, by point"),
    ),
    "orders": (
        ("orders /dev/ttyUSB0 34 --unit 1 --table input --between 0 500", "what a display of 12.3 mg/m3 may be"),
        ("orders site.yaml#plc 4 --unit 3", "over a line of a site file"),
        ("orders 34 --hex '41 44 f5 c3'", "registers that somebody else has read"),
    ),
    "address": (
        ("address /dev/ttyUSB0 0 3 --baudrate 9600", "a new sensor, alone on the bus or with others that are not 0"),
        ("address site.yaml#well 3 4 --yes", "over a line of a site file, without a question"),
    ),
    "key": (("key site.yaml", "the key that a platform pins"),),
    "schema": (("schema > site.schema.json", "for an editor"),),
}


def epilog(command: str) -> str:
    """The examples of a command as its help shows them."""
    return "\n\n".join(["Examples:", *(f"fieldgate {call}   ({why})" for call, why in EXAMPLES[command])])
