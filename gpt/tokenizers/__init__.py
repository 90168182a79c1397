"""Tokenizers: text to the integers that the model reads, and back. Characters, words, or byte pairs.

Read next: `gpt/tokenizers/protocol.py`.
"""

from gpt.tokenizers.bpe import BPETokenizer
from gpt.tokenizers.bpe_training import train_bpe
from gpt.tokenizers.characters import CharTokenizer
from gpt.tokenizers.files import from_json, read
from gpt.tokenizers.protocol import Decoder, Tokenizer
from gpt.tokenizers.words import WordTokenizer

__all__ = ["BPETokenizer", "CharTokenizer", "Decoder", "Tokenizer", "WordTokenizer", "from_json", "read", "train_bpe"]
