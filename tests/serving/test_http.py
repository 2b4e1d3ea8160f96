"""The service over HTTP: what it answers, what it refuses, and how it stops."""

import json
import re
import shutil
import socket
import threading
import time
from http.client import HTTPException
from pathlib import Path

import jsonschema
import numpy as np
import pytest

from nba_gym.cli.serving import Serve
from nba_gym.errors import BundleError, LogError, ServiceError
from nba_gym.scenario import load_scenario
from nba_gym.serving.bundle import read_folder
from nba_gym.serving.chain import read_chain, segments_of, verify
from nba_gym.serving.decision_log import DecisionLog, opening
from nba_gym.serving.events import Records
from nba_gym.serving.exporting import export_log
from nba_gym.serving.keys import new_key, write_keys
from nba_gym.serving.server import Serving
from tests.serving.processes import Server, wait_for

YES = {"email": True, "push": True, "sms": True, "mail": True}
ASK = {"customer": "ann", "consent": YES}


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    made = [new_key("shop", "client"), new_key("boss", "admin")]
    path = tmp_path_factory.mktemp("keys") / "keys.json"
    write_keys(path, [key for _, key in made])
    return path, {key.name: f"Bearer {text}" for text, key in made}


@pytest.fixture(scope="module")
def server(tmp_path_factory, policy, other_policy, keys):
    data = tmp_path_factory.mktemp("served")
    policies = tmp_path_factory.mktemp("may-be-loaded")
    shutil.copytree(policy, policies / "first")
    shutil.copytree(other_policy, policies / "second")
    shutil.copytree(other_policy, policies / "damaged")
    (policies / "damaged" / "policy.onnx").write_bytes(b"no graph")
    (policies / "link").symlink_to(policy)
    options = ["--keys", str(keys[0]), "--policies", str(policies), "--receive-s", "1"]
    with Server(policy, data, *options, "--rate", "2000", "--burst", "400") as made:
        yield made


@pytest.fixture
def shop(keys):
    return keys[1]["shop"]


@pytest.fixture
def boss(keys):
    return keys[1]["boss"]


def test_a_decision_ranks_what_is_allowed_and_says_why_the_rest_is_not(server, shop, retail):
    status, told, _ = server.call("POST", "/v1/decide", ASK, authorization=shop)
    assert status == 200
    names = [each["action"] for each in told["ranked"] + told["dropped"]]
    assert sorted(names) == sorted(action.name for action in retail.actions)
    scores = [each["score"] for each in told["ranked"]]
    assert scores == sorted(scores, reverse=True)
    assert sum(each["propensity"] for each in told["ranked"]) == pytest.approx(1.0)
    assert all(each["rules"] for each in told["dropped"])
    assert told["policy"]
    assert np.isfinite(told["value"])


def test_without_consent_there_is_nothing_but_waiting(server, shop):
    body = {"customer": "no-consent", "consent": {}}
    status, told, _ = server.call("POST", "/v1/decide", body, authorization=shop)
    assert (status, [each["action"] for each in told["ranked"]]) == (200, ["wait"])


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"\xff\xfe", 400),
        (b'{"customer":"SECRET"', 400),
        (b'{"customer":"SECRET","consent":{},"events":[{"list_spend":NaN}]}', 400),
        (b'{"customer":"SECRET","consent":{},"events":[{"list_spend":Infinity}]}', 400),
        (b'{"customer":"SECRET","consent":{},"events":[{"list_spend":1e999}]}', 400),
        (b'{"customer":"SECRET\\ud800","consent":{}}', 400),
        (b'{"customer":"SECRET","customer":"b","consent":{}}', 422),
        (b'{"customer":"SECRET","consent":{"email":true,"email":true}}', 422),
        (b'{"customer":"SECRET","consent":{},"SECRET":1}', 422),
        (b'{"customer":"SECRET","consent":{"SECRET":true}}', 422),
        (b'{"customer":"SECRET","consent":{"email":1}}', 422),
        (b'{"customer":"SECRET","consent":{},"events":[{"SECRET":1}]}', 422),
        (b'{"customer":"SECRET","consent":{},"events":[{"sent":2}]}', 422),
        (b'{"customer":"SECRET","consent":{},"events":[{"sent":"true"}]}', 422),
        (b'{"customer":"SECRET","consent":{},"events":[{"action":"SECRET"}]}', 422),
        (b'{"customer":"SECRET","consent":{},"events":[{"period":1}]}', 422),
        (b'{"customer":"SECRET","consent":{},"events":[{"action":1.5}]}', 422),
        (b'{"customer":"SECRET","consent":{},"events":[{"action":-1}]}', 422),
        (b'{"customer":"SECRET","consent":{},"events":[{"purchases":1}]}', 422),
        (b'{"customer":"SECRET","consent":{},"events":[{"list_spend":1e39}]}', 422),
        (b'{"customer":"SECRET","consent":{},"events":[{"stage_move":1}]}', 422),
        (b'{"customer":"SECRET","consent":{},"events":{}}', 422),
        (b'{"customer":"SECRET","consent":{},"events":[' + b"{}," * 600 + b"{}]}", 422),
        (b'{"customer":"SECRET","consent":{},"channel":"SECRET"}', 422),
        (b'{"customer":"SECRET","consent":{},"channel":"email"}', 422),
        (b'{"customer":"SECRET","consent":{},"asking":"inbound"}', 422),
        (b'{"customer":"SECRET","consent":{},"period":-1}', 422),
        (b'{"customer":"SECRET","consent":{},"period":7}', 409),
        (b'{"customer":"SECRET","consent":{},"birth":{"phase":52}}', 422),
        (b'{"customer":"","consent":{}}', 422),
        (b'{"customer":"' + b"x" * 129 + b'","consent":{}}', 422),
        (b'{"customer":"a\\u0000b","consent":{}}', 422),
        (b'{"customer":7,"consent":{}}', 422),
        (b'{"customer":"SECRET"}', 422),
        (b"[" * 100_000, 400),
        (b'{"a":' * 2_000 + b"1" + b"}" * 2_000, 400),
        (b'{"customer":"SECRET","consent":{},"period":' + b"9" * 5_000 + b"}", 400),
        (b"[]", 422),
        (b"null", 422),
        (b'{"customer":"' + b"x" * 300_000 + b'"}', 413),
    ],
)
def test_what_breaks_a_rule_is_refused_without_being_repeated(server, shop, body, status):
    got, told, _ = server.call("POST", "/v1/decide", body, authorization=shop)
    assert got == status
    assert "must" in told["error"]
    assert "SECRET" not in json.dumps(told)


def test_a_key_opens_what_it_is_for(server, keys):
    _, texts = keys
    known = texts["shop"]
    for authorization, path, status in (
        ("", "/v1/world", 401),
        (known[:-1], "/v1/world", 401),
        (known.replace("Bearer", "Basic"), "/v1/world", 401),
        (known, "/v1/world", 200),
        (known, "/metrics", 200),
        ("", "/metrics", 401),
        ("", "/v2/models/retail", 401),
        ("", "/v2/health/live", 200),
        ("", "/", 200),
    ):
        assert server.call("GET", path, authorization=authorization)[0] == status
    for path in ("/admin/v1/swap", "/admin/v1/roll-back", "/admin/v1/erase"):
        assert server.call("POST", path, {}, authorization=known)[0] == 403
        assert server.call("POST", path, {})[0] == 401


def test_other_hosts_content_types_methods_and_paths_are_refused(server, shop):
    assert server.call("GET", "/", host="evil.example")[0] == 421
    told = server.call("POST", "/v1/decide", ASK, authorization=shop, content_type="text/plain")
    assert told[0] == 415
    status, told, headers = server.call("GET", "/v1/decide", authorization=shop)
    assert (status, headers["allow"]) == (405, "POST")
    assert server.call("GET", "/v1/SECRET", authorization=shop)[1] == {
        "error": "path must be one that is served"
    }
    assert server.call("GET", "/v2/models/SECRET", authorization=shop)[0] == 404


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"nonsense\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"y" * 20_000 + b"\r\n\r\n", b"431"),
        (b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 80 + b"\r\n", b"431"),
        (b"GET /" + b"y" * 17_000 + b" HTTP/1.1\r\n\r\n", b"431"),
        (b"POST /v1/decide HTTP/1.1\r\nContent-Length: 999999\r\n\r\n", b"413"),
        (b"POST /v1/decide HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx", b"400"),
        (
            b"POST /v1/decide HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
            + (b"8000\r\n" + b"x" * 0x8000 + b"\r\n") * 10,
            b"4",
        ),
        (b"CONNECT localhost:80 HTTP/1.1\r\nHost: localhost\r\n\r\n", b"400"),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"400"),
        (b"POST /v1/decide HTTP/1.1\r\nHost: localhost\r\n", b"408"),
        (b"", b"408"),
    ],
)
def test_abuse_of_the_wire_is_answered_and_the_connection_closed(server, sent, status):
    got = server.raw(sent)
    assert got.startswith(b"HTTP/1.1 " + status), got[:100]
    assert server.call("GET", "/v2/health/live")[0] == 200


@pytest.mark.parametrize("other", ["h2c", "websocket", "TLS/1.0, x/2"])
@pytest.mark.parametrize("chunked", [False, True])
def test_an_offer_to_speak_another_protocol_is_ignored(server, shop, other, chunked):
    """Java's client makes one with every first request; RFC 9110 lets servers ignore it."""
    body = json.dumps(ASK).encode()
    size = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {len(body)}"
    head = (
        "POST /v1/decide HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        f"Authorization: {shop}\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: {other}\r\n"
        f"HTTP2-Settings: AAMAAABk\r\n{size}\r\n\r\n"
    ).encode()
    sent = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body) if chunked else body
    # and the connection goes on as it was
    last = b"GET /v2/health/live HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    got = server.raw(head + sent + head + sent + last)
    assert got.count(b"HTTP/1.1 200 ") == 3, got
    assert got.count(b'"ranked"') == 2


def test_a_refusal_can_be_read_although_much_is_still_on_its_way(server):
    """A connection that is closed while something is unread is reset, and the answer lost."""
    head = b"POST /v1/decide HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3000000\r\n\r\n"
    for _ in range(10):
        with socket.create_connection(("127.0.0.1", server.port), timeout=5.0) as connection:
            connection.sendall(head + b"x" * 3_000_000)
            connection.shutdown(socket.SHUT_WR)
            got = b"".join(iter(lambda: connection.recv(65_536), b""))
        assert got.startswith(b"HTTP/1.1 413 "), got[:100]


def test_a_request_that_is_refused_while_it_begins_is_no_fault_of_ours(server, shop):
    """Its handler has been started, and would ask for the body, by then."""
    before = len([line for line in server.logs() if line["level"] == "error"])
    head = b"POST /v1/decide HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    head += f"Authorization: {shop}\r\n".encode()
    for expect in (b"", b"Expect: 100-continue\r\n"):
        got = server.raw(head + expect + b"Transfer-Encoding: chunked\r\n\r\nzzzz\r\n")
        assert got.startswith(b"HTTP/1.1 400 "), got
    time.sleep(0.5)  # its handler is told of the end
    assert len([line for line in server.logs() if line["level"] == "error"]) == before


def drip(connection):
    until = time.monotonic() + 15.0
    while time.monotonic() < until:
        connection.sendall(b"x")
        time.sleep(0.05)


def test_a_refused_connection_is_not_read_for_long(server):
    head = b"POST /v1/decide HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3000000\r\n\r\n"
    with socket.create_connection(("127.0.0.1", server.port), timeout=30.0) as connection:
        connection.sendall(head)
        assert connection.recv(65_536).startswith(b"HTTP/1.1 413 ")
        with pytest.raises(OSError):  # noqa: PT011 - reset or broken, as it happens
            drip(connection)


def test_the_open_inference_protocol_answers_the_golden_vectors(server, shop, policy):
    golden = read_folder(policy).golden
    inputs = [
        {"name": name, "shape": list(rows.shape), "datatype": kind, "data": rows.ravel().tolist()}
        for name, kind, rows in (
            ("observations", "FP32", golden.observations),
            ("masks", "INT8", golden.masks),
        )
    ]
    path = "/v2/models/retail"
    status, told, _ = server.call("GET", path, authorization=shop)
    assert (status, {each["name"] for each in told["inputs"]}) == (200, {"observations", "masks"})
    assert server.call("GET", f"{path}/ready", authorization=shop)[0] == 200
    body = {"id": "7", "inputs": inputs}
    status, told, _ = server.call("POST", f"{path}/infer", body, authorization=shop)
    assert (status, told["id"], told["model_name"]) == (200, "7", "retail")
    outputs = {each["name"]: each for each in told["outputs"]}
    few = body | {"outputs": [{"name": "value"}, {"name": "ranking"}]}
    _, said, _ = server.call("POST", f"{path}/infer", few, authorization=shop)
    assert said["outputs"] == [outputs["value"], outputs["ranking"]]
    scores = np.array(outputs["scores"]["data"]).reshape(outputs["scores"]["shape"])
    np.testing.assert_allclose(scores, golden.scores, rtol=1e-5, atol=1e-5)
    for wrong in (
        {"inputs": inputs[:1]},
        {"inputs": [{"name": []}, inputs[1]]},
        {"inputs": [inputs[0], inputs[0]]},
        {"inputs": [inputs[0] | {"datatype": "FP64"}, inputs[1]]},
        {"inputs": [inputs[0] | {"shape": [1, 1]}, inputs[1]]},
        {"inputs": [inputs[0] | {"data": ["x"] * golden.observations.size}, inputs[1]]},
        {"inputs": [inputs[0], inputs[1] | {"data": [2] * golden.masks.size}]},
        {"inputs": [inputs[0], inputs[1] | {"data": [0] * golden.masks.size}]},
        {"inputs": 7},
        {"inputs": inputs, "more": 1},
        {"inputs": inputs, "outputs": [{"name": "nonsense"}]},
        {"inputs": inputs, "outputs": [{"name": []}]},
        {"inputs": inputs, "outputs": [{"name": "value"}, {"name": "value"}]},
        {"inputs": inputs, "outputs": "value"},
    ):
        assert server.call("POST", f"{path}/infer", wrong, authorization=shop)[0] == 422


def test_a_policy_is_swapped_only_if_it_is_sound_and_can_be_taken_back(server, shop, boss):
    def deciding():
        return server.call("POST", "/v1/decide", ASK, authorization=shop)[1]["policy"]

    def swap(name):
        return server.call("POST", "/admin/v1/swap", {"policy": name}, authorization=boss)[:2]

    before = deciding()
    status, told = swap("second")
    assert status == 200
    assert deciding() == told["policy"] != before
    for name, refused in (
        ("damaged", 422),
        ("none", 404),
        ("..", 422),
        ("../first", 422),
        ("/tmp", 422),
        ("link", 404),
    ):
        assert swap(name)[0] == refused
        assert deciding() == told["policy"]
    status, back, _ = server.call("POST", "/admin/v1/roll-back", {}, authorization=boss)
    assert (status, back["policy"], deciding()) == (200, before, before)


def test_numbers_and_documents_are_there(server, shop):
    server.call("POST", "/v1/decide", ASK, authorization=shop)
    _, text, _ = server.call("GET", "/metrics", authorization=shop)
    assert b'nba_requests_total{route="/v1/decide",status="200"}' in text
    assert b"nba_decide_seconds_bucket" in text
    assert b"nba_decisions_total{" in text
    _, document, _ = server.call("GET", "/openapi.json")
    body = document["paths"]["/v1/decide"]["post"]["requestBody"]["content"]["application/json"]
    assert body["schema"]["properties"]["events"]["items"]["properties"]["list_spend"]
    _, world, _ = server.call("GET", "/v1/world", authorization=shop)
    assert "list_spend" in world["events"]


def test_the_description_is_true_of_what_is_taken_and_answered(server, shop):
    """It once refused the names that the service takes, and said nothing of the answer."""
    _, document, _ = server.call("GET", "/openapi.json")

    def schema(path, answer=False):
        about = document["paths"][path]["post"]
        about = about["responses"]["200"] if answer else about["requestBody"]
        return about["content"]["application/json"]["schema"]

    event = {"action": "email_news_shoes", "sent": True, "visit": "web", "basket": "shoes"}
    told = {"customer": "dora", "consent": YES, "events": [event, {"action": 0}]}
    jsonschema.validate(told, schema("/v1/decide"))
    status, said, _ = server.call("POST", "/v1/decide", told, authorization=shop)
    assert status == 200
    jsonschema.validate(said, schema("/v1/decide", answer=True))
    outcome = {"decision": said["decision"], "reward": 1.5}
    jsonschema.validate(outcome, schema("/v1/outcome"))
    status, said, _ = server.call("POST", "/v1/outcome", outcome, authorization=shop)
    assert status == 200
    jsonschema.validate(said, schema("/v1/outcome", answer=True))
    for wrong in ({"action": "spam"}, {"action": 99}, {"sent": 2}, {"list_spend": "much"}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(told | {"events": [wrong]}, schema("/v1/decide"))
    _, world, _ = server.call("GET", "/v1/world", authorization=shop)
    assert world["events"]["need_bought"]["default"] == -1
    assert world["events"]["visit"]["names"]["web"] == event_number("visit", "web")


def event_number(column, name):
    return Records(load_scenario("retail")).names[column][name]


@pytest.mark.parametrize("body", [{"customer": "e"}, {"consent": YES}, {}])
def test_a_field_that_is_missing_is_not_called_wrong(server, shop, body):
    status, said, _ = server.call("POST", "/v1/decide", body, authorization=shop)
    missing = "consent" if "customer" in body else "customer"
    assert (status, said["error"]) == (422, f"{missing} must be given, got none")


def test_a_wrong_event_is_told_by_its_place(server, shop):
    body = {"customer": "f", "consent": YES, "events": [{}, {"sent": 2}]}
    _, said, _ = server.call("POST", "/v1/decide", body, authorization=shop)
    assert said["error"].startswith("events[1].sent must be")
    body["events"] = [{"purchases": 1}]
    _, said, _ = server.call("POST", "/v1/decide", body, authorization=shop)
    assert said["error"].startswith("events[0].need_bought must be given where purchases are")


def test_a_key_is_neither_empty_nor_too_long_whoever_calls(server, shop):
    for key, status in (("", 422), ("x" * 129, 422), ("x" * 128, 200)):
        asked = {"authorization": shop, "idempotency_key": key}
        assert server.call("POST", "/v1/decide", ASK, **asked)[0] == status


def test_a_trailer_does_not_become_a_header(server, shop):
    body = json.dumps(ASK).encode()
    request = b"POST /v1/decide HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n"
    request += b"Content-Type: application/json\r\nTrailer: authorization\r\n\r\n"
    request += b"%x\r\n%b\r\n0\r\n" % (len(body), body)
    request += b"Authorization: %b\r\n\r\n" % shop.encode()
    assert server.raw(request).startswith((b"HTTP/1.1 400", b"HTTP/1.1 401"))


def test_requests_that_do_not_wait_for_answers_are_bounded(server):
    many = b"GET /v2/health/live HTTP/1.1\r\nHost: localhost\r\n\r\n" * 2_000
    started = time.monotonic()
    got = server.raw(many)
    assert got.count(b"HTTP/1.1 200") <= 12
    assert server.call("GET", "/v2/health/live")[0] == 200
    assert time.monotonic() - started < 60.0


def test_the_page_refers_to_nothing_but_this_service(server):
    _, page, headers = server.call("GET", "/")
    assert headers["content-security-policy"].startswith("default-src 'none'")
    assert b"http://" not in page
    assert b"https://" not in page
    assert b" src=" not in page


def test_too_many_connections_are_turned_away_and_the_others_served(tmp_path, policy):
    def is_served(server):
        try:
            return server.call("POST", "/v1/decide", ASK)[0] == 200
        except (OSError, HTTPException):  # turned away between its header and its body
            return False

    with Server(policy, tmp_path, "--connections", "20", "--receive-s", "60") as server:
        held = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(40)]
        assert wait_for(lambda: server.raw(b"").startswith(b"HTTP/1.1 503"))
        for each in held:
            each.close()
        assert wait_for(lambda: is_served(server))
        assert server.call("POST", "/admin/v1/roll-back", {})[0] == 403  # nobody is the boss


def test_one_decision_more_than_may_be_under_way_is_turned_away(tmp_path, policy, keys):
    shutil.copytree(policy, tmp_path / "policies" / "same")
    options = ["--policies", str(tmp_path / "policies"), "--keys", str(keys[0]), "--queue", "1"]
    shop, boss = keys[1]["shop"], keys[1]["boss"]
    with Server(policy, tmp_path / "data", *options) as server:

        def ask():
            return server.call("POST", "/v1/decide", ASK, authorization=shop)

        assert ask()[0] == 200
        swapped: list[int] = []

        def swap():  # under way for as long as the folder is verified
            told = server.call("POST", "/admin/v1/swap", {"policy": "same"}, authorization=boss)
            swapped.append(told[0])

        working = threading.Thread(target=swap)
        working.start()
        answers = []
        while working.is_alive():
            answers.append(ask())
        working.join()
        assert swapped == [200]
        refused = [(told, head) for status, told, head in answers if status == 503]
        assert refused
        assert all(told["error"].startswith("the service is busy") for told, _ in refused)
        assert all(head["retry-after"] == "1" for _, head in refused)
        assert ask()[0] == 200


def test_whoever_takes_their_time_over_a_body_keeps_nobody_out(tmp_path, policy):
    head = (
        b"POST /v1/decide HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        b"Content-Length: 50\r\n\r\n{"
    )
    with Server(policy, tmp_path, "--queue", "1") as server:
        slow = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(3)]
        for each in slow:
            each.sendall(head)
        time.sleep(0.3)
        assert [server.call("POST", "/v1/decide", ASK)[0] for _ in range(3)] == [200] * 3
        for each in slow:
            each.close()


def test_told_to_stop_it_answers_what_is_on_its_way_and_all_of_it_is_on_record(tmp_path, policy):
    answered: list[str] = []
    lost: list[str] = []
    with Server(policy, tmp_path) as server:

        def work(number):
            body = json.dumps({"customer": f"c-{number}", "consent": YES}).encode()
            request = (
                b"POST /v1/decide HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                b"Content-Length: %d\r\n\r\n" % len(body)
            ) + body
            with socket.create_connection(("127.0.0.1", server.port), timeout=20) as connection:
                file = connection.makefile("rb")
                while True:
                    connection.sendall(request)
                    head = b""
                    while not head.endswith(b"\r\n\r\n"):
                        line = file.readline()
                        if not line:
                            lost.append(f"c-{number}")
                            return
                        head += line
                    told = dict(line.split(b": ", 1) for line in head.split(b"\r\n")[1:-2])
                    said = json.loads(file.read(int(told[b"content-length"])))
                    if head.startswith(b"HTTP/1.1 200"):
                        answered.append(said["decision"])
                    if told.get(b"connection") == b"close":
                        return

        threads = [threading.Thread(target=work, args=(i,)) for i in range(16)]
        for thread in threads:
            thread.start()
        assert wait_for(lambda: len(answered) > 100, 60)
        server.stop()
        for thread in threads:
            thread.join(60)
        events = [each["event"] for each in server.logs()]
    assert not lost
    assert events[0] == "started"
    assert events[-2:] == ["stopping", "stopped"]
    recorded = {entry.record.get("id") for entry in read_chain(tmp_path)}
    assert set(answered) <= recorded
    verify(tmp_path)


def test_a_service_that_anybody_could_reach_does_not_start_without_keys(tmp_path, policy):
    with pytest.raises(RuntimeError, match="loopback"):
        Server(policy, tmp_path, "--host", "0.0.0.0")


def test_a_port_that_is_none_or_taken_is_told_before_anything_is_written(
    tmp_path, policy, monkeypatch
):
    data = tmp_path / "data"
    monkeypatch.setattr("nba_gym.serving.server.serve", lambda *told: told[0].close())
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        for port, words in (
            (99_999, "port must be in"),
            (-5, "port must be in"),
            (other.getsockname()[1], "must be free to listen on"),
        ):
            with pytest.raises(ServiceError, match=words):
                Serve(policy, data, port=port).run()
    with pytest.raises(ServiceError, match="seed must be at least 0"):
        Serve(policy, data, port=0, seed=-1).run()
    with pytest.raises(ServiceError, match="host must be an address"):
        Serving(host="no.such.host.invalid", keys=(new_key("shop", "client")[1],)).bind()
    assert not data.exists()


def test_a_log_that_was_changed_is_not_gone_on_with_where_that_is_asked(
    tmp_path, policy, monkeypatch
):
    with Server(policy, tmp_path) as server:
        for name in ("a", "b", "c"):
            assert server.call("POST", "/v1/decide", ASK | {"customer": name})[0] == 200
    with DecisionLog(tmp_path, segment_bytes=1) as log:
        for _ in range(2):
            log.append([opening({})])
    monkeypatch.setattr("nba_gym.serving.server.serve", lambda *told: told[0].close())
    Serve(policy, tmp_path, port=0).run()  # from now on the first segment is not looked at
    segment = segments_of(tmp_path)[0]
    lines = segment.read_bytes()
    assert b'"explored":false' in lines
    segment.write_bytes(lines.replace(b'"explored":false', b'"explored":true', 1))
    Serve(policy, tmp_path, port=0).run()
    with pytest.raises(LogError, match="must follow record"):
        Serve(policy, tmp_path, port=0, verify=True).run()


def test_the_recipe_for_another_policys_reward_runs_as_it_is_written(
    tmp_path, policy, monkeypatch, capsys
):
    """Rewards of 2 for the best action and 0 for one by lot are worth 2 to who takes the best."""
    text = (Path(__file__).parents[2] / "docs" / "service.md").read_text()
    recipe = next(
        part for part in re.findall(r"```python\n(.*?)```", text, re.DOTALL) if "would" in part
    )
    with Server(policy, tmp_path / "log", "--epsilon", "0.5", "--seed", "3") as server:
        for i in range(40):
            _, said, _ = server.call("POST", "/v1/decide", ASK | {"customer": f"c-{i}"})
            reward = {"decision": said["decision"], "reward": 0.0 if said["explored"] else 2.0}
            assert server.call("POST", "/v1/outcome", reward)[0] == 200
    export_log(tmp_path / "log", tmp_path / "decisions.parquet")
    shutil.copytree(policy, tmp_path / "other")
    monkeypatch.chdir(tmp_path)
    exec(recipe, {})
    assert capsys.readouterr().out.startswith("2.000 +- 0.000, from ")


def test_the_folder_of_a_run_is_told_from_the_policy_in_it(tmp_path, policy):
    shutil.copytree(policy, tmp_path / "run" / "policy")
    (tmp_path / "run" / ".lock").touch()
    with pytest.raises(BundleError, match=r"did you mean .*run/policy\?"):
        read_folder(tmp_path / "run")
