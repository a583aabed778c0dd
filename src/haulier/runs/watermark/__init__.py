"""The watermark: what incremental runs have finished."""
