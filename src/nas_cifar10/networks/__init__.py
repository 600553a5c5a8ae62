"""What is built: architectures as torch modules, and what they cost."""
