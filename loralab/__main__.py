"""`python -m loralab`: the command line."""

from loralab.cli import main

if __name__ == "__main__":
    main()
