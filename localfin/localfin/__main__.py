"""`python -m localfin` is `localfin`."""

from localfin.cli import main

if __name__ == "__main__":
    main()
