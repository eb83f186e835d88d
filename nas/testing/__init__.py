"""Contract kits that ship with the package, so that a user's own parts can be held to the same contracts as ours."""
