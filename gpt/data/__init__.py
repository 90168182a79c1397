"""What a model is trained on.

Read next: `gpt/data/calculator.py`.
"""
