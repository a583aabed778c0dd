"""Runs, from plan to verdict: the records, their order, and what counts where they disagree."""
