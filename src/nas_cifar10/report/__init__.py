"""What was found: tables first, ink afterwards; needs no torch."""
