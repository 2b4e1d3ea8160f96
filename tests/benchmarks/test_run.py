"""The benchmark says nothing but what it measured."""

from __future__ import annotations

import warnings

import pytest

from benchmarks import run


def test_setting_up_the_peers_warns_of_nothing():
    pytest.importorskip("envpool")
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        run._envpool(16)  # pyright: ignore[reportPrivateUsage]
    assert told == []
