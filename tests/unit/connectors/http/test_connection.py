"""How a connection is read, what is sent for it, and which options are refused before anything is sent."""

from __future__ import annotations

import base64
import json

import pytest

from dragoman.connectors._http.address import refusal
from dragoman.connectors.http.check import check_connection
from dragoman.core.connection import Connection, parse_connection
from dragoman.core.errors import ConfigError, FatalError
from dragoman.testing.http_server import Answer, serve

GOOD = Answer.of([{"id": 1}])


def sent(read, url_of, **options):
    with serve(lambda _: GOOD) as server:
        read(connection=parse_connection("shop", url_of(server)), **options)
    return server.requests[0]


def test_basic_bearer_key_and_more_headers_are_sent(read):
    plain = sent(read, lambda server: f"{server.url}?allow_private=true")
    assert not {"authorization", "x-api-key", "cookie"} & set(plain.headers)
    assert plain.headers["accept"] == "application/json"
    assert plain.headers["user-agent"].startswith("dragoman/")
    basic = sent(read, lambda server: f"http://us%40er:p%3Aw@127.0.0.1:{server.port}?allow_private=1")
    assert basic.headers["authorization"] == "Basic " + base64.b64encode(b"us@er:p:w").decode()
    bearer = sent(read, lambda server: f"{server.url}?allow_private=true&token=t0ken")
    assert bearer.headers["authorization"] == "Bearer t0ken"
    keyed = sent(read, lambda server: f"{server.url}?allow_private=true&api_key=k")
    assert keyed.headers["x-api-key"] == "k"
    named = sent(read, lambda server: f"{server.url}?allow_private=true&api_key=k&api_key_header=X-Shop-Key")
    assert named.headers["x-shop-key"] == "k"

    def as_json(server):
        extra = {"allow_private": True, "headers": {"Authorization": "Shop abc"}}
        return json.dumps({"conn_type": "http", "host": server.url + "/v1/", "extra": extra})

    more = sent(read, as_json)
    assert more.headers["authorization"] == "Shop abc"
    assert more.target == "/v1/orders"


@pytest.mark.parametrize(
    ("base", "path", "target"),
    [
        ("", "/orders", "/orders"),
        ("", "orders/", "/orders/"),
        ("/v1", "/orders", "/v1/orders"),
        ("/v1/", "orders", "/v1/orders"),
        ("/v1", "", "/v1"),
        ("", "/a b/\u00e9/100%25", "/a%20b/%C3%A9/100%25"),
        ("", "/odata/Orders(1)/Lines", "/odata/Orders(1)/Lines"),
    ],
)
def test_the_path_stands_below_the_base_url(read, base, path, target):
    assert sent(read, lambda server: f"{server.url}{base}?allow_private=true", path=path).target == target


@pytest.mark.parametrize(
    "path",
    [
        "https://evil.test/x",
        "//evil.test/x",
        "../admin",
        "a/../../b",
        "a/%2e%2e/b",
        "x?y=1",
        "x#y",
        "a\r\nb",
        "a\\b",
        "a%0ab",
    ],
)
def test_a_path_that_leads_elsewhere_is_refused(read, path):
    with pytest.raises(ConfigError) as caught:
        read("http://api.test", path=path)
    assert caught.value.code == "http.path"


def test_parameters_are_percent_encoded_and_never_with_a_plus(read):
    params = {
        "$filter": "amount gt 5 and name eq 'a+b&c'",
        "q": "é=%",
        "open": True,
        "ids": [1, 2],
        "n": 1.5,
        "gone": None,
    }
    request = sent(read, lambda server: f"{server.url}?allow_private=true", params=params)
    assert request.target == (
        "/orders?$filter=amount%20gt%205%20and%20name%20eq%20'a%2Bb%26c'&q=%C3%A9%3D%25&open=true&ids=1&ids=2&n=1.5"
    )
    assert request.params["$filter"] == "amount gt 5 and name eq 'a+b&c'"
    with pytest.raises(ConfigError, match="not a plain value"):
        read("http://api.test", params={"filter": {"a": 1}})


@pytest.mark.parametrize(
    "name", ["Authorization", "cookie", "X-Api-Key", "x-auth-token", "Proxy-Authorization", "X-Client-Secret"]
)
def test_a_secret_in_the_yaml_is_refused(read, name):
    with pytest.raises(ConfigError) as caught:
        read("http://api.test", headers={name: "hunter22"})
    assert caught.value.code == "http.secret_header"
    assert "hunter22" not in str(caught.value)


@pytest.mark.parametrize(
    "name", ["Host", "content-length", "Transfer-Encoding", "Connection", "Accept-Encoding", "bad name", ""]
)
def test_headers_of_the_protocol_itself_are_refused(read, name):
    with pytest.raises(ConfigError) as caught:
        read("http://api.test", headers={name: "1"})
    assert caught.value.code == "http.header"


@pytest.mark.parametrize(
    ("connection", "said"),
    [
        ("http://user:pw@api.test?token=abc", "both a token and a login"),
        ("http://api.test?allow_private=perhaps", "not true or false"),
        ("http://api.test?headers=nojson", "not JSON"),
        ("http://api.test?headers=%5B1%5D", "no map"),
        ("http://api%20x.test", "no host"),
        ("http:///v1", "no host"),
    ],
)
def test_a_connection_that_cannot_be_used_is_told(read, connection, said):
    with pytest.raises(ConfigError, match=said) as caught:
        read(connection=parse_connection("shop", connection))
    assert caught.value.code == "http.connection"
    assert "pw" not in caught.value.message


def test_the_scheme_and_the_port_come_from_the_connection(read):
    plain = Connection("shop", "http", "http", host="127.0.0.1", extra={"allow_private": True})
    with pytest.raises(ConfigError):
        read(connection=plain, path="ftp://x")
    with serve(lambda _: GOOD) as server:
        there = Connection("shop", "http", "http", host="127.0.0.1", port=server.port, extra={"allow_private": True})
        assert read(connection=there).ids == [1]
    assert server.requests[0].headers["host"] == f"127.0.0.1:{server.port}"


def test_the_check_says_what_answered(waits):
    with serve(lambda _: Answer.of({"status": "ok"})) as server:
        assert f"{server.url}/ answered 200 after" in check_connection(
            parse_connection("shop", server.url + "?allow_private=true")
        )
    with serve(lambda _: Answer(status=404)) as server:
        assert "answered that there is nothing" in check_connection(
            parse_connection("shop", server.url + "?allow_private=true")
        )
    with serve(lambda _: Answer(status=401)) as server, pytest.raises(FatalError) as caught:
        check_connection(parse_connection("shop", server.url + "?allow_private=true"))
    assert caught.value.code == "http.denied"


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("8.8.8.8", ""),
        ("2606:4700:4700::1111", ""),
        ("::ffff:8.8.8.8", ""),
        ("64:ff9b::808:808", ""),
        ("2002:808:808::", ""),
        ("127.8.8.8", "loopback"),
        ("169.254.1.1", "link-local"),
        ("169.254.169.254", "metadata"),
        ("fd00:ec2::254", "metadata"),
        ("::ffff:169.254.169.254", "metadata"),
        ("64:ff9b::a9fe:a9fe", "metadata"),
        ("2002:a9fe:a9fe::1", "metadata"),
        ("::127.0.0.1", "hides"),
        ("2001:0:7f00:1::", "hides"),
        ("192.0.2.1", "private or reserved"),
        ("198.18.0.1", "private or reserved"),
        ("255.255.255.255", "private or reserved"),
        ("240.0.0.1", "private or reserved"),
        ("fc00::1", "private or reserved"),
        ("fe80::1%eth0", "link-local"),
        ("ff02::1", "multicast"),
        ("::", "unspecified"),
        ("nonsense", "no address"),
    ],
)
def test_addresses_are_judged_in_every_notation(address, said):
    assert (said in refusal(address)) if said else refusal(address) == ""
