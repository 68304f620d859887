"""Errors typed by what to do about them; anything else is a bug."""


class HeadgateError(Exception):
    """Something a person can act on; the message says what happened, where, and what to do next."""


class TransientError(HeadgateError):
    """The world is not ready: try again with back-off."""


class StalledError(HeadgateError):
    """Trying again cannot help: wait for a new commit or for the operator."""
