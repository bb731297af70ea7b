"""Checks of a running Moneyer by software that nobody here wrote.

Nothing in this package knows how Moneyer makes a token: it starts `moneyer dev`, reads what a
sandbox and a relying party can read, and hands it to the verifiers.
"""
