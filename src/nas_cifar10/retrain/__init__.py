"""The chosen candidates on train + validation, for long; measured once on test."""
