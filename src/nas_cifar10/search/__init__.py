"""Which candidate is best: the driver, its schedules and its executors."""
