"""Training verifiers on the ladder's own rollouts: labels, recipe, report.

`labels` says which steps are right, exactly or by Monte-Carlo rollouts; `rollouts`
collects traces of a policy; `train` (needs torch) puts layers and a head on a rung;
`report` measures a verifier on held-out problems. To use a trained one, see
`tts_lab.verifiers.prm`.
"""
