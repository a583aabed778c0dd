"""A run from plan to verdict: what is written down, in which order, and what counts when records disagree."""
