"""What a trained model is made of, what it costs, and what its vectors hold: data first, then tables and a picture.

Read next: `gpt/inspection/parts.py`.
"""
