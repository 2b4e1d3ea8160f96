"""The hidden half of the customer: traits, state and one period of life.

``story.py`` is the page to read first. One mechanism a file; each function is one numbered
equation of ``docs/model.md``.
"""
