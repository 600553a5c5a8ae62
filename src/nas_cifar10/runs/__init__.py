"""Where a run and its study are: folders, databases, and the locks on them."""
