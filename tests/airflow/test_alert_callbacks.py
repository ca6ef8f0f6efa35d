"""The callbacks that the factory attaches and the notifiers beneath them, against real servers, in this process."""

import asyncio
import json
import logging
import time

import pytest
from airflow.sdk.definitions.callback import AsyncCallback
from airflow.triggers.callback import CallbackTrigger

from airflow_session import parse
from alert_world import BAD, FLOW, GOOD, mails, posts, world
from dragoman.core.errors import ConfigError, FatalError, RetriableError
from dragoman.orchestration.alerts import RunAlerts
from dragoman.orchestration.housekeeping import keep_house
from dragoman.orchestration.notifiers import MailNotifier, Message, WebhookNotifier, verify
from receivers import SECRET

__all__ = ["mails", "posts", "world"]

MESSAGE = Message(event="failed", integration="orders", run_id="r1", dag_id="orders", dag_run_id="d1", reason="why")


def test_a_failure_is_told_once_per_run_and_its_end_once(world, mails, posts):
    flow = world.flow()
    assert world.run(flow, BAD).code == "csv.truncated"
    assert world.run(flow).code == "csv.truncated"  # the same run: the next DAG run took it up
    assert world.run(flow, GOOD) is None
    assert world.run(flow) is None
    assert posts.events() == [("orders", "failed"), ("orders", "recovered")]
    assert mails.subjects() == ["orders has failed", "orders has recovered"]
    failed, recovered = (post.json for post in posts.posts)
    assert "orders.csv" in failed["reason"]
    assert failed["run_id"] == recovered["run_id"]
    assert recovered["figures"]["delivered"] == 2
    assert mails.mails[0]["To"] == "ops@example.com"
    assert mails.mails[0]["Message-ID"] == f"<{failed['id']}@dragoman>"


def test_held_is_told_once_however_many_runs_stop_at_it(world, posts):
    flow = world.flow(limit=1)
    for content in ("id\n1\nx\ny\n", None, None):
        assert world.run(flow, content).code == "run.held"
    assert posts.events() == [("orders", "held")]
    told = posts.posts[0].json
    assert "orders.csv:3" in told["reason"]
    assert told["state"] == "held"
    assert told["figures_link"].endswith(told["run_id"])


def test_rejects_are_told_on_green_runs(world, mails):
    world.run(world.flow(), "id\n1\n<b>x</b>\n")
    ((subject, body),) = mails.texts()
    assert subject == "orders has rejected records"
    assert "read 2, delivered 1, rejected 1, filtered 0, in doubt 0" in body
    assert "&lt;b&gt;x&lt;/b&gt;" in body
    assert "<b>x</b>" not in body


def test_late_is_told_once_and_marks_the_run(world, posts):
    flow = world.flow()
    world.late(flow, "manual__1")
    world.late(flow, "manual__1")
    world.run(flow, GOOD)
    ledger = world.ledger()
    (found,) = ledger.runs("orders")
    ledger.close()
    assert found.late_at is not None
    assert posts.events() == [("orders", "late")]
    assert posts.posts[0].json["reason"] == "it has not ended within 30 min"


def test_a_killed_task_without_exception_and_without_task(world, posts):
    flow = world.flow()
    ledger = world.ledger()
    with ledger.take_lease("orders") as lease:
        opened = ledger.open_run("orders", lease.token, flow.digest, trigger="orders/manual__1")
    ledger.close()
    for _ in range(2):
        RunAlerts(flow).failed({"run_id": "manual__1"})
    (post,) = posts.posts
    told = post.json
    assert (told["event"], told["run_id"], told["dag_run_id"]) == ("failed", opened.run_id, "manual__1")
    assert "its process was killed" in told["reason"]
    assert "dragoman run orders" in told["next_step"]


def test_in_doubt(world, posts):
    flow = world.flow()
    ledger = world.ledger()
    with ledger.take_lease("orders") as lease:
        opened = ledger.open_run("orders", lease.token, flow.digest, trigger="orders/manual__1")
        figures = {"read": 9, "delivered": 7, "rejected": 0, "filtered": 0, "in_doubt": 2}
        ledger.close_run(opened.run_id, lease.token, "in_doubt", figures, move_cursors=False)
    ledger.close()
    RunAlerts(flow).failed({"run_id": "manual__1", "exception": FatalError("run.red", "it is red")})
    (post,) = posts.posts
    assert (post.json["event"], post.json["figures"]) == ("in_doubt", figures)
    assert post.json["reason"] == "2 outputs may or may not have reached the destination"


def test_a_notifier_that_fails_is_no_failure_and_is_told_by_the_next(world, mails, posts, caplog):
    flow = world.flow()
    mails.refusing = "451 try later"
    posts.always = 503
    assert world.run(flow, "id\n1\nx\n", times=1) is None
    assert (mails.mails, posts.posts) == ([], [])
    ledger = world.ledger()
    assert sorted(row.state for row in ledger.notices("orders")) == ["untold", "untold"]
    ledger.close()
    mails.refusing = ""
    posts.always = 200
    world.run(flow, GOOD)
    assert posts.events() == [("orders", "rejects")]
    assert mails.subjects() == ["orders has rejected records"]
    assert "was not sent" in caplog.text
    assert SECRET not in caplog.text
    assert "of-the-address" not in caplog.text


def test_housekeeping_tells_what_could_not_be_sent(world, monkeypatch, mails, posts):
    monkeypatch.setenv("DRAGOMAN_INTEGRATIONS", str(world.folder / "integrations"))
    (world.folder / "integrations").mkdir()
    mails.refusing = "451 try later"
    world.run(world.flow(), BAD, times=1)
    mails.refusing = ""
    keep_house(dry_run=True)
    assert mails.mails == []
    keep_house()
    keep_house()
    assert mails.subjects() == ["orders has failed"]
    assert posts.events() == [("orders", "failed")]


def test_without_the_ledger_it_says_what_airflow_says(world, connect, mails, posts):
    flow = world.flow()
    connect("dragoman_ledger", "postgresql://dragoman:hidden@127.0.0.1:1/ledger")
    error = RetriableError("ledger.unreachable", "the ledger does not answer", next_step="see that it runs")
    RunAlerts(flow).failed({"run_id": "manual__1", "exception": error})
    RunAlerts(flow).succeeded({"run_id": "manual__2"})
    (post,) = posts.posts
    assert post.json["reason"] == "the ledger does not answer [ledger.unreachable]"
    assert post.json["next_step"] == "see that it runs"
    assert len(mails.mails) == 1


def test_a_mail_for_anyones_dag(world, mails):
    notifier = MailNotifier(conn_id="ops_mail", to="{{ who }}@example.com", subject="{{ run_id }}\nBcc: x@y.z")
    notifier({"run_id": "manual__1", "who": "ana", "exception": ValueError("no such file"), "dag": None})
    (mail,) = mails.mails
    assert mail["To"] == "ana@example.com"
    assert mail["Subject"] == "manual__1 Bcc: x@y.z"
    assert mail["Bcc"] is None
    assert "ValueError: no such file" in mails.texts()[0][1]
    asyncio.run(MailNotifier(conn_id="ops_mail", to=["a@b.c"]).async_notify({"run_id": "manual__2"}))
    assert len(mails.mails) == 2


def test_a_webhook_for_anyones_dag_knows_the_run(world, posts):
    world.run(world.flow(), GOOD)
    notifier = WebhookNotifier(conn_id="ops_hook")
    notifier({"run_id": "manual__1", "dag_run": {"dag_id": "orders"}, "dag": None})
    (post,) = posts.posts
    assert (post.json["event"], post.json["state"], post.json["figures"]["read"]) == ("done", "done", 2)


def test_notifiers_serve_deadlines_of_any_dag(world, mails, posts):
    async def triggered(notifier, **kwargs):
        callback = AsyncCallback(notifier, kwargs=kwargs)
        context = {"dag_run": {"dag_id": "mine", "dag_run_id": "manual__1"}, "deadline": {"id": "x"}}
        trigger = CallbackTrigger(callback.path, {**callback.kwargs, "context": context})
        return [event.payload["state"] async for event in trigger.run()]

    states = asyncio.run(triggered(MailNotifier, to=["a@b.c"], conn_id="ops_mail", event="late"))
    states += asyncio.run(triggered(WebhookNotifier, conn_id="ops_hook", event="late"))
    assert states == ["running", "success"] * 2
    assert mails.subjects() == ["mine is late"]
    assert posts.posts[0].json["dag_run_id"] == "manual__1"


def test_notifiers_serve_callbacks_of_whole_dags(world, posts):
    WebhookNotifier(conn_id="ops_hook")(
        {"run_id": "r", "reason": "task_failure", "dag_run": {"dag_id": "d"}, "dag": None}
    )
    assert posts.posts[0].json["reason"] == "the DAG run has failed (task_failure)"


def test_data_is_never_a_template(world, mails):
    MailNotifier(conn_id="ops_mail", to=["a@b.c"])({"run_id": "r", "exception": ValueError("{{ 7 * 7 }}"), "dag": None})
    assert "{{ 7 * 7 }}" in mails.texts()[0][1]


def test_a_webhook_is_signed_and_tried_again(world, posts):
    posts.answers = [500, 429]
    WebhookNotifier(conn_id="ops_hook").send(MESSAGE)
    (post,) = posts.posts
    assert len(posts.tries) == 3
    assert post.path == "/hooks/ops?token=of-the-address"
    stamp, signature = post.headers["x-dragoman-timestamp"], post.headers["x-dragoman-signature"]
    assert verify(SECRET, stamp, post.body, signature, now=time.time())
    assert not verify("another", stamp, post.body, signature, now=time.time())
    assert not verify(SECRET, stamp, post.body + b" ", signature, now=time.time())
    assert not verify(SECRET, stamp, post.body, signature, now=time.time() + 301)
    assert post.headers["x-dragoman-id"] == post.json["id"] == MESSAGE.id
    assert "why" in post.json["text"]


@pytest.mark.parametrize(
    ("answer", "kind", "tries"), [(302, FatalError, 1), (401, FatalError, 1), (503, RetriableError, 3)]
)
def test_a_webhook_that_is_refused(world, posts, caplog, answer, kind, tries):
    caplog.set_level(logging.DEBUG)
    posts.always = answer
    with pytest.raises(kind) as caught:
        WebhookNotifier(conn_id="ops_hook").send(MESSAGE)
    assert caught.value.code == "alert.not_sent"
    assert str(answer) in str(caught.value)
    assert len(posts.tries) == tries
    for secret in (SECRET, "of-the-address"):
        assert secret not in str(caught.value)
        assert secret not in "".join(record.getMessage() for record in caplog.records)


def test_a_webhook_without_secret_and_with_headers(world, posts, connect):
    extra = {"headers": {"Authorization": "Bearer abc"}, "timeout": 2, "path": "/x y?q=1"}
    connect("ops_hook", json.dumps({"conn_type": "http", "host": f"http://127.0.0.1:{posts.port}", "extra": extra}))
    WebhookNotifier(conn_id="ops_hook").send(MESSAGE)
    (post,) = posts.posts
    assert post.path == "/x%20y?q=1"
    assert post.headers["authorization"] == "Bearer abc"
    assert "x-dragoman-signature" not in post.headers


@pytest.mark.parametrize("uri", ["postgresql://u:hidden@h/d", "http:///path"])
def test_a_connection_that_is_no_address(world, connect, uri):
    connect("ops_hook", uri)
    with pytest.raises(ConfigError) as caught:
        WebhookNotifier(conn_id="ops_hook").send(MESSAGE)
    assert caught.value.code == "alert.connection"
    assert "hidden" not in str(caught.value)


def test_nobody_listens(world, connect):
    connect("ops_hook", "http://:hidden@127.0.0.1:1/x")
    connect("ops_mail", json.dumps({"conn_type": "smtp", "host": "127.0.0.1", "port": 1, "password": "hidden"}))
    for notifier in (WebhookNotifier(conn_id="ops_hook"), MailNotifier(conn_id="ops_mail", to=["a@b.c"])):
        with pytest.raises(RetriableError) as caught:
            notifier.send(MESSAGE)
        assert caught.value.code == "alert.not_sent"
        assert "hidden" not in str(caught.value)


def test_alerts_make_no_new_version_at_each_parse(airflow_db, integrations):
    from airflow.serialization.serialized_objects import DagSerialization

    (integrations / "orders.yaml").write_text(FLOW.format(name="orders", limit=5))
    first, second = (DagSerialization.to_dict(parse().dags["orders"]) for _ in range(2))
    assert first == second
    tasks = parse().dags["orders"].task_dict
    assert {name: (bool(task.on_failure_callback), bool(task.on_success_callback)) for name, task in tasks.items()} == {
        "extract": (True, False),
        "deliver": (True, False),
        "reconcile": (True, True),
    }
    assert not any(task.on_retry_callback for task in tasks.values())
