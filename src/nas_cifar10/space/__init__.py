"""What could be built; knows neither torch nor optuna."""
