"""The visible half: what a firm's own records show of a customer, and what it earns.

``events.py`` says what a period may bring, ``history.py`` what remains of it, ``features.py`` what
an agent sees, ``ledger.py`` what it was worth. All are pure functions of events, so replaying an
event log (``log.py``) gives the same numbers as the simulation did, to the bit.
"""
