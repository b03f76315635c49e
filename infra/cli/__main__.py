"""`python -m infra.cli`: the same as `segmentation`."""

from infra.cli.app import main

if __name__ == "__main__":
    main()
