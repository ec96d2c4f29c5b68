"""`python -m broadcast`, and what the installed command calls."""

from broadcast.cli import main

if __name__ == "__main__":
    main()
