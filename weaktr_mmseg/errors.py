"""Errors that a user can mend."""


class WeakTrInputError(Exception):
    """A fault in the configuration or the data, said in one line that names the file or key."""
