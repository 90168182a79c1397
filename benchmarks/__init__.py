"""Side by side with PyTorch and others; never part of the test run."""
