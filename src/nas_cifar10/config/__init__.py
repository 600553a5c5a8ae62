"""Every YAML key, how it is read, and what is wrong with it in words."""
