"""Training one network on one data set: the recipe (plain values), batches as tensors on the device, and the loop.

`nas.training.recipe` needs no torch; the other files do, and are imported where a network is trained.
"""
