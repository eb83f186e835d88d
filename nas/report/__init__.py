"""What people read: tables of a network, the live screen of a search, its closing table."""
