"""How anything is trained; knows no architecture, trial or data set."""
