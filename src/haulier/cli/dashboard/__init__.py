"""The page of `haulier dashboard`: runs, one run live, its poison, and what a person does about that."""
