"""The other ways to train many small networks at once, each set up as its documentation advises."""
