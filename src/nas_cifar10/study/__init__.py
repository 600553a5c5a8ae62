"""A study as plain rows for anybody; the only room that imports optuna."""
