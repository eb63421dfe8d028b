"""`fieldgate` and `python -m gateway`."""

import sys


def main() -> None:
    """Run the command that the arguments name; exit codes are those of contract.md §4."""
    from gateway.memory import starting

    starting()
    from gateway.cli import application

    arguments = sys.argv[1:]
    application(arguments[0] if arguments else None)()


if __name__ == "__main__":
    main()
