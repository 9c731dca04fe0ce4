"""Random histories: a scripted Braket whose records change as drawn, and the pulling that must end with what it said last.

`world.py` is that Braket, `draw.py` draws one from a seed, `play.py` plays it against the product's own layers on a moving
clock, `judge.py` says what is wrong afterwards. Nothing here knows how the product works: the world is not the
emulator's, and what rows should hold is worked out from the answers that were given.

    python -m tests.faults.histories --seed 1 --count 2000
"""
