"""Test-time training: adapt a model to one task, on the task's own demonstrations.

From the demonstrations leave-one-out tasks are made (`examples`), looked at from
several sides (`views`), and a low-rank adapter is trained on them in seconds (`lora`,
`adapt`; torch). The adapted model answers the task seen from each side; the answers
are turned back and vote (`predict`, `vote`). After Akyurek et al. (2411.07279).

Promises: the base model's weights are never written to; what is spent, training
included, is counted. Not covered: models that are not of the ladder's family, which
`tts_lab.ttt.hugging_face` adapts through peft.
"""
