"""One grid of runs, made once by a recipe and shipped, to choose allocations from.

`tts_lab.grid.store` reads it, `tts_lab.grid.recipe` makes it anew (`tts-lab
measure-grid`), `tts_lab.grid.options` turns it into options of
`tts_lab.allocate.compute_optimal`.
"""
