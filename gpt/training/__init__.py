"""Training: updates of the parameters, computed in parallel.

Read next: `gpt/training/config.py`.
"""
