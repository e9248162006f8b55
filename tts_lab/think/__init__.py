"""One model thinking longer: traces that check themselves and try again.

`checks` says what a check says, `trajectories` makes training data of a rung's own
attempts, `train` (needs torch) tunes the rung on them. How traces are written and read,
and budget forcing, is in `tts_lab.strategies.thinking`; `metrics` has s1's measures of
budget forcing (Muennighoff et al. 2501.19393), `report` what is measured and shipped.
"""
