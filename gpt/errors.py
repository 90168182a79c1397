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
    """A text holds what the tokenizer does not know, or an id is that of no token."""


class VocabularyError(GPTError):
    """A file of a vocabulary is missing, damaged or of a kind that is not supported."""


class CheckpointError(GPTError):
    """A run folder or a file in it is missing, damaged or of another model."""


class TrainingError(GPTError):
    """The training cannot continue."""
