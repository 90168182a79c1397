"""Errors of a user, as exceptions whose message is one line: what is wrong, and what to do.

Read next: `gpt/blame.py`.
"""


class GPTError(Exception):
    """Base of all errors the command line shows as one line, without a traceback."""


class ConfigError(GPTError):
    """A setting is unknown, cannot be read, or may not change."""


class DataError(GPTError):
    """The data cannot be used."""


class TokenError(GPTError):
    """A text holds characters the tokenizer does not know."""


class CheckpointError(GPTError):
    """A run folder or a file in it is missing, damaged or of another model."""


class TrainingError(GPTError):
    """The training cannot continue."""
