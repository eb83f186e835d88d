"""Networks in other forms: files for other programs and for people."""
