"""Run the command line as `python -m streamstyle`."""

from streamstyle.apps.cli import main

if __name__ == "__main__":
    main()
