"""The YAML of a search and retrain that take a second or two, for tests of whole commands."""


def tiny_yaml(
    name: str = "tiny run",
    training: str = "epochs: 2, batch_size: 32",
    search: str = "trials: 4, cohort: 2",
    retrain: str = "epochs: 2",
) -> str:
    """Return a config on digits; the sections are given as they stand between braces."""
    return f"""\
name: {name}
data: {{source: digits, limit: 200}}
space:
  depth: [1, 2]
  channels: [4, 8]
  kernel_size: 3
  training: {{learning_rate: {{low: 1e-3, high: 1e-2, log: true}}}}
training: {{{training}, precision: fp32, threads: 1}}
search: {{{search}}}
retrain: {{{retrain}}}
"""
