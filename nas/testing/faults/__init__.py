"""Proof that a search can't be lost: real searches, killed at random moments, resumed, and their record checked.

    from nas.testing.faults import campaign
    report = campaign.run(seed=1, kills=5, names=("driver", "torn"), folder=Path("somewhere"))

`scripts/faults` is its command, docs/faults.md what it proves. The searches are processes of their own that run the command
line; what is read of them is what anybody can read: their run folder, their exit status, and the account that the evaluator
keeps for itself.
"""
