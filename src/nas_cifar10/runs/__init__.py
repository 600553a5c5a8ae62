"""A run on disk: its files, where its study is, and the locks on both; knows not what was found."""
