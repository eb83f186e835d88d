"""A training in its folder: settings, network, checkpoint, and going on from it.

`settings`, `folder`, `result`, `watcher` and `channels` need no torch; the other files do, and are imported where a network is trained.
"""
