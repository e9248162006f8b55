"""Training a model to revise: trajectories of wrong attempts and a right one.

`trajectories` makes the data and says how attempts are written into a context; `train`
(needs torch) tunes a rung on them. The strategies are in `tts_lab.strategies.revision`.
"""
