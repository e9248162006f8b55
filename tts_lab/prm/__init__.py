"""Training verifiers on the ladder's own rollouts: labels, recipes, heads, report.

`rollouts` collects traces of a policy; `labels` says which steps are right, exactly or
by Monte-Carlo completions; `comparison` builds, on a rung, what a verifier sees; `head`
fits what it thinks of it; `train` does all of it by a recipe; `report` and `card`
measure verifiers on held-out problems. To use one, see `tts_lab.verifiers.prm`.
"""
