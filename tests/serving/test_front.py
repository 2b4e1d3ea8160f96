"""Keys, allowances and the doorkeeper."""

import asyncio
import hmac
import json

import pytest

from nba_gym.errors import ServiceError
from nba_gym.serving.front import Front
from nba_gym.serving.keys import Allowance, find_key, new_key, read_keys, write_keys


def through(front, path="/v1/decide", method="POST", **headers):
    """Status of a request, or 200 if it reached the application."""
    sent = []
    scope = {
        "type": "http",
        "path": path,
        "method": method,
        "headers": [(name.replace("_", "-").encode(), v.encode()) for name, v in headers.items()],
    }

    async def send(message):
        sent.append(message)

    asyncio.run(front(scope, None, send))
    return sent[0]["status"] if sent else 200


async def inside(scope, receive, send):
    """An application that answers nothing."""


def test_an_allowance_is_spent_and_comes_back():
    allowance = Allowance(rate=10.0, burst=3.0)
    assert [allowance.take("a", 0.0) for _ in range(5)] == [True, True, True, False, False]
    assert allowance.take("b", 0.0)
    assert not allowance.take("a", 0.05)
    assert [allowance.take("a", 0.15) for _ in range(2)] == [True, False]
    assert [allowance.take("a", 100.0) for _ in range(4)] == [True, True, True, False]
    assert all(Allowance(0.0, 1.0).take("a", 0.0) for _ in range(100))
    with pytest.raises(ServiceError, match="rate"):
        Allowance(-1.0, 1.0)


def test_who_asks_too_much_is_told_so_and_others_are_not():
    made = [new_key("a", "client"), new_key("b", "client")]
    refused = []
    front = Front(inside, [key for _, key in made], Allowance(0.001, 2.0), None, refused.append)
    json_of = "application/json; charset=utf-8"
    said = [
        through(front, authorization=f"Bearer {made[0][0]}", content_type=json_of) for _ in range(4)
    ]
    assert said == [200, 200, 429, 429]
    assert through(front, authorization=f"bearer {made[1][0]}", content_type=json_of) == 200
    assert refused == [429, 429]


def test_a_file_of_keys_holds_no_key(tmp_path):
    path = tmp_path / "keys.json"
    text, key = new_key("shop", "client")
    write_keys(path, [key])
    assert text.encode() not in path.read_bytes()
    assert path.stat().st_mode & 0o077 == 0
    assert read_keys(path) == [key]
    assert find_key([key], f"Bearer {text}".encode()) == key
    assert find_key([key], f"Bearer {key.digest}".encode()) is None


def test_every_key_is_compared_in_constant_time_whichever_is_right(monkeypatch):
    made = [new_key(f"k-{i}", "client") for i in range(5)]
    compared = []

    def compare(a, b):
        compared.append((a, b))
        return a == b

    monkeypatch.setattr(hmac, "compare_digest", compare)
    for text, key in made:
        compared.clear()
        assert find_key([each for _, each in made], f"Bearer {text}".encode()) == key
        assert [a for a, _ in compared] == [each.digest for _, each in made]


def test_a_damaged_file_of_keys_is_refused_without_a_digest(tmp_path):
    path = tmp_path / "keys.json"
    good = vars(new_key("shop", "client")[1])
    for rows in (
        {},
        [1],
        [good | {"role": "king"}],
        [good | {"digest": good["digest"][:-1]}],
        [good | {"name": "a b"}],
        [good, good],
        [good | {"more": 1}],
    ):
        path.write_text(json.dumps(rows))
        with pytest.raises(ServiceError) as error:
            read_keys(path)
        assert good["digest"][:-1] not in str(error.value)
    path.write_text("no json")
    with pytest.raises(ServiceError, match="JSON"):
        read_keys(path)
    with pytest.raises(ServiceError, match="nba-gym key"):
        read_keys(tmp_path / "none.json")
