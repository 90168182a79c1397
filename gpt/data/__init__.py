"""What a model is trained on: the calculator, or any text.

Read next: `gpt/data/config.py`.
"""
