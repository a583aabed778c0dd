"""The checks of `haulier doctor`. Each yields findings as it goes; none leaves anything behind."""
