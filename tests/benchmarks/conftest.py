"""The scripts here are run, not imported: pytest must not look for doctests in them."""

collect_ignore_glob = ["*.py"]
