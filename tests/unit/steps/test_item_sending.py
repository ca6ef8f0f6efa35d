"""Items on their way: what is asked, retried, halved, looked up and given up, and what is on record when it ends."""

import shutil

import pytest

from dragoman.core import clock
from dragoman.core.errors import DOWN, FatalError, RetriableError
from dragoman.core.failpoints import arm
from dragoman.ledger.ledger import open_ledger
from dragoman.steps.work import HeldError
from item_peer import ItemPeer, Limit, World, outputs


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    """A new ledger, to be copied: making one takes longer than a test."""
    file = tmp_path_factory.mktemp("template") / "ledger.db"
    open_ledger(f"sqlite:///{file}").close()
    return file


@pytest.fixture
def world(tmp_path, template):
    shutil.copy(template, tmp_path / "ledger.db")
    made = World.at(tmp_path)
    yield made
    made.ledger.close()


@pytest.fixture(autouse=True)
def waits(monkeypatch):
    done = []
    monkeypatch.setattr(clock, "sleep", done.append)
    return done


@pytest.fixture
def breaks():
    """Arms a failpoint to raise: what was in memory only is lost, as in a kill."""
    yield lambda name, nth=1: arm(f"{name}:{nth}:raise")
    arm("")


def ids(peer):
    return [one["id"] for one in peer.applied]


def test_all_is_sent_in_order_and_the_peers_ids_come_back(world):
    peer = ItemPeer(size=2)
    session = world.session(peer)
    assert session.write(world.batch_id, outputs(1, 2, 3)) == []
    assert peer.requests_made == [[1, 2], [3]]
    assert session.answers(world.batch_id) == ["r0", "r1", "r2"]
    assert not session.applied()


def test_a_settled_batch_is_not_sent_again_and_its_refusals_come_back(world):
    peer = ItemPeer(bad={2})
    first = world.session(peer).write(world.batch_id, outputs(1, 2, 3))
    session = world.session(peer)
    assert session.write(world.batch_id, outputs(1, 2, 3)) == first
    assert [(one.row, one.code, one.in_doubt) for one in first] == [(1, "http.rejected", False)]
    assert session.answers(world.batch_id) == ["r0", "", "r1"]
    assert peer.requests_made == [[1], [2], [3]]


def test_a_null_in_the_key_is_rejected_and_not_sent(world):
    peer = ItemPeer(size=10)
    refused = world.session(peer, key=("id",)).write(world.batch_id, outputs(1, None, 3))
    assert [(one.row, one.code, one.field) for one in refused] == [(1, "key.null", "id")]
    assert peer.requests_made == [[1, 3]]


def test_two_outputs_of_one_key_never_share_a_request(world):
    peer = ItemPeer(size=10)
    world.session(peer, key=("id",)).write(world.batch_id, outputs(1, 2, 1, 3))
    assert peer.requests_made == [[1, 2], [1, 3]]


@pytest.mark.parametrize("poison", [[0], [123], [499], [0, 499], [7, 8, 300]])
def test_a_poison_is_found_by_halving(world, poison):
    peer = ItemPeer(size=500, bad=set(poison))
    refused = world.session(peer).write(world.batch_id, outputs(*range(500)))
    assert [one.row for one in refused] == poison
    assert ids(peer) == [number for number in range(500) if number not in poison]
    assert len(peer.requests_made) <= 1 + 2 * len(poison) * 9


def test_an_answer_for_each_item_needs_no_halving(world):
    peer = ItemPeer(size=10, bad={3, 5}, partial=True)
    refused = world.session(peer).write(world.batch_id, outputs(*range(10)))
    assert [(one.row, one.message) for one in refused] == [(3, "3 is bad"), (5, "5 is bad")]
    assert len(peer.requests_made) == 1


@pytest.mark.parametrize("how", ["idempotency", "upsert", "read_back", "none"])
@pytest.mark.parametrize("word", ["before", "throttled"])
def test_what_was_not_applied_is_sent_again(world, how, word):
    peer = ItemPeer(how, script=["ok", word, word])
    assert world.session(peer).write(world.batch_id, outputs(1, 2, 3)) == []
    assert ids(peer) == [1, 2, 3]


@pytest.mark.parametrize("word", ["lost", "nothing"])
@pytest.mark.parametrize("how", ["idempotency", "upsert", "read_back"])
def test_a_lost_answer_neither_doubles_nor_loses(world, how, word):
    peer = ItemPeer(how, size=2, script=["ok", word])
    assert world.session(peer).write(world.batch_id, outputs(1, 2, 3, 4, 5)) == []
    assert sorted(ids(peer)) == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("word", ["lost", "nothing"])
def test_where_nobody_can_be_asked_it_stays_in_doubt(world, word):
    peer = ItemPeer("none", script=["ok", word])
    refused = world.session(peer).write(world.batch_id, outputs(1, 2, 3))
    assert [(one.row, one.code, one.in_doubt) for one in refused] == [(1, "deliver.in_doubt", True)]
    assert "was sent at" in refused[0].message
    assert world.session(peer).write(world.batch_id, outputs(1, 2, 3)) == refused


def test_a_peer_that_stays_silent_does_not_get_everything(world):
    peer = ItemPeer("none", script=["nothing"] * 100)
    with pytest.raises(RetriableError):
        world.session(peer).write(world.batch_id, outputs(*range(100)))
    assert len(peer.requests_made) == 3
    peer.script = []
    refused = world.session(peer).write(world.batch_id, outputs(*range(100)))
    assert [one.row for one in refused] == [0, 1, 2]
    assert ids(peer) == list(range(3, 100))


@pytest.mark.parametrize("how", ["none", "idempotency", "upsert"])
def test_a_peer_that_is_down_is_told_to_its_circuit(world, how):
    peer = ItemPeer(how, script=["ok", *["down"] * 20])
    with pytest.raises(RetriableError) as caught:
        world.session(peer).write(world.batch_id, outputs(*range(1, 20)))
    assert (caught.value.code, caught.value.outage) == ("http.server_error", DOWN)
    peer = ItemPeer(how, script=["nothing"] * 20)
    with pytest.raises(RetriableError) as caught:
        world.session(peer).write(world.batch_id, outputs(*range(1, 20)))
    assert caught.value.outage == ""


def test_an_item_that_the_answer_leaves_out_is_unknown(world):
    peer = ItemPeer("read_back", size=3, script=["silent_of_last"])
    session = world.session(peer)
    assert session.write(world.batch_id, outputs(1, 2, 3)) == []
    assert peer.looked_up == [3]
    assert ids(peer) == [1, 2, 3]
    assert session.answers(world.batch_id)[2] == "r2"


def test_a_search_that_cannot_tell_is_asked_again(world):
    peer = ItemPeer("read_back", script=["lost", "cannot_tell", "cannot_tell"])
    assert world.session(peer).write(world.batch_id, outputs(1)) == []
    assert ids(peer) == [1]


@pytest.mark.parametrize("how", ["idempotency", "upsert", "read_back"])
def test_tries_end_and_the_next_try_goes_on(world, how, waits):
    peer = ItemPeer(how, script=["ok", *["nothing"] * 8])
    with pytest.raises(RetriableError, match="after 8 tries") as caught:
        world.session(peer).write(world.batch_id, outputs(1, 2, 3))
    assert caught.value.code == "http.timeout"
    assert len(waits) == 7
    assert world.session(peer).write(world.batch_id, outputs(1, 2, 3)) == []
    assert ids(peer) == [1, 2, 3]


def test_a_wrong_password_is_red_at_once_and_nothing_is_unknown(world):
    peer = ItemPeer("none", script=["ok", "denied"])
    with pytest.raises(FatalError, match="401"):
        world.session(peer).write(world.batch_id, outputs(1, 2, 3))
    assert world.session(peer).write(world.batch_id, outputs(1, 2, 3)) == []
    assert ids(peer) == [1, 2, 3]


def test_an_idempotency_key_that_the_peer_has_forgotten_is_not_trusted(world, breaks):
    peer = ItemPeer("idempotency", forgets_after=-1.0)
    breaks("deliver.request.answered")
    with pytest.raises(RetriableError):
        world.session(peer).write(world.batch_id, outputs(1, 2))
    refused = world.session(peer).write(world.batch_id, outputs(1, 2))
    assert [(one.row, one.in_doubt) for one in refused] == [(0, True)]
    assert ids(peer) == [1, 2]


def test_the_limit_stops_the_sending_in_the_middle(world):
    peer = ItemPeer(bad={3, 5, 7, 9})
    limit = Limit(2)
    with pytest.raises(HeldError):
        world.session(peer, limit).write(world.batch_id, outputs(*range(10)))
    assert [one.row for one in limit.refused] == [3, 5, 7]
    assert limit.delivered == 5
    assert len(peer.requests_made) == 8
    refused = world.session(peer).write(world.batch_id, outputs(*range(10)))
    assert [one.row for one in refused] == [3, 5, 7, 9]
    assert len(peer.requests_made) == 10


def test_a_pause_that_the_peer_asks_for_is_kept(world, waits):
    peer = ItemPeer(wait=2.0)
    world.session(peer).write(world.batch_id, outputs(1, 2, 3))
    assert waits == [2.0, 2.0]


def test_a_long_pause_is_handed_on(world):
    peer = ItemPeer(wait=600.0)
    with pytest.raises(RetriableError) as caught:
        world.session(peer).write(world.batch_id, outputs(1, 2))
    assert (caught.value.code, caught.value.retry_after) == ("deliver.paused", 600.0)


POINTS = ["deliver.intent.recorded", "deliver.request.answered", "deliver.outcomes.recorded", "deliver.batch.settled"]


@pytest.mark.parametrize("how", ["idempotency", "upsert", "read_back", "none"])
@pytest.mark.parametrize("name", POINTS)
@pytest.mark.parametrize("size", [1, 2])
@pytest.mark.parametrize("word", ["ok", "lost", "nothing", "before"])
def test_broken_at_any_point_and_tried_again(world, breaks, how, name, size, word):
    peer = ItemPeer(how, size=size, script=["ok", word], bad={4})
    nth = 1 if name == "deliver.batch.settled" else 2
    breaks(name, nth)
    with pytest.raises(RetriableError):
        world.session(peer).write(world.batch_id, outputs(*range(6)))
    breaks("run.opened")
    refused = world.session(peer).write(world.batch_id, outputs(*range(6)))
    doubt = {one.row for one in refused if one.in_doubt}
    assert [one.row for one in refused if not one.in_doubt] == [4][: 4 not in doubt]
    assert len(ids(peer)) == len(set(ids(peer)))
    assert set(range(6)) - {4} - set(ids(peer)) <= doubt
    assert not doubt or how == "none"
    again = world.session(peer).write(world.batch_id, outputs(*range(6)))
    assert again == refused


@pytest.mark.parametrize("how", ["idempotency", "none"])
def test_items_are_erased_however_often_it_takes(world, how):
    peer = ItemPeer(how, size=2)
    world.session(peer, key=("id",)).write(world.batch_id, outputs(1, 2, 3))
    peer.script = ["lost"]
    keys = outputs(1, 3).select(["id"])
    assert world.session(peer, key=("id",)).erase(world.batch_id, keys) == []
    assert world.session(peer, key=("id",)).erase(world.batch_id, keys) == []
    assert ids(peer) == [2]
    assert len(peer.requests_made) == 4


def test_another_holder_of_the_lease_stops_the_sending(world):
    peer = ItemPeer()
    session = world.session(peer)
    world.lease.release()
    world.ledger.take_lease("orders")
    with pytest.raises(FatalError) as caught:
        session.write(world.batch_id, outputs(1))
    assert caught.value.code == "lease.lost"
    assert peer.requests_made == []


def test_a_batch_that_gives_other_outputs_than_before_is_red(world):
    world.session(ItemPeer()).write(world.batch_id, outputs(1, 2))
    with pytest.raises(FatalError) as caught:
        world.session(ItemPeer()).write(world.batch_id, outputs(1, 2, 3))
    assert caught.value.code == "deliver.other_outputs"


@pytest.mark.parametrize("ids", [(1, 9, 3), (1,)])
def test_what_was_sent_must_be_what_would_be_sent_now(world, breaks, ids):
    peer = ItemPeer("idempotency")
    breaks("deliver.request.answered", 2)
    with pytest.raises(RetriableError):
        world.session(peer).write(world.batch_id, outputs(1, 2, 3))
    with pytest.raises(FatalError) as caught:
        world.session(peer).write(world.batch_id, outputs(*ids))
    assert caught.value.code == "deliver.other_outputs"
    assert len(peer.requests_made) == 2


def test_what_was_erased_has_no_answers(world):
    session = world.session(ItemPeer("upsert"), key=("id",))
    session.erase(world.batch_id, outputs(1, 3).select(["id"]))
    assert session.answers(world.batch_id) == ["", ""]


@pytest.mark.parametrize(
    ("how", "size", "harmless"),
    [
        ("upsert", 2, True),
        ("idempotency", 1, True),
        ("idempotency", 2, False),
        ("read_back", 1, False),
        ("none", 1, False),
    ],
)
def test_the_disk_is_waited_for_unless_to_send_again_does_no_harm(world, monkeypatch, how, size, harmless):
    asked = []
    note = world.ledger.note_requests
    monkeypatch.setattr(world.ledger, "note_requests", lambda *a, lazy=False, **k: (asked.append(lazy), note(*a, **k)))
    world.session(ItemPeer(how, size=size)).write(world.batch_id, outputs(1, 2, 3, 4))
    *sent, last = asked
    assert set(sent) == {harmless}
    assert last is False
