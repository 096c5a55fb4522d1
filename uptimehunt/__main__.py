"""`python -m uptimehunt`: the same as the `uptimehunt` command."""

from uptimehunt.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
