"""Generation: a trained model continues a text, token by token.

Each token takes three steps: the model reads the text and scores every token (`scores.py`), one of them is chosen
(`sampling.py`), and the text grows by it until a stop string ends it (`stops.py`). `steps.py` is the loop over these,
`generate.py` what a user calls, and `why.py` shows what each choice was made from.

Read next: `gpt/generation/scores.py`.
"""
