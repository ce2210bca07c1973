"""``python -m evenbatch`` is the command `evenbatch`."""

from evenbatch.cli import main

if __name__ == "__main__":
    main()
