"""`python -m twite` is the command `twite`."""

from twite.cli import main

if __name__ == "__main__":
    main()
