"""nas-cifar10: a YAML file in, a searched, retrained and honestly measured image classifier out."""
