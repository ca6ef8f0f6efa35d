"""A day's worth of alerts: 200 runs of 20 integrations with 10 failures, 3 recoveries, 2 late runs and 1 held one.

Real runs, a real ledger, real servers; every callback comes twice, and the integrations run side by side in threads.
The receivers must hold exactly those 16 messages each.
"""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor

from alert_world import BAD, GOOD, mails, posts, world
from dragoman.ledger.rows import UNFINISHED

__all__ = ["mails", "posts", "world"]

ROUNDS = 10
FAILING = range(7)
RECOVERING = range(7, 10)
HELD = 10
LATE = (11, 12)
INTEGRATIONS = range(20)


def content(number, when):
    if number in FAILING:
        return BAD if when >= 4 + number % 3 else GOOD
    if number in RECOVERING:
        return BAD if 2 <= when < 2 + number % 3 + 1 else GOOD
    if number == HELD:
        return "id\n1\nx\ny\n" if when >= 5 else GOOD
    return GOOD


def test_a_days_worth_of_alerts(world, mails, posts):
    flows = [world.flow(f"flow_{number:02d}", limit=1) for number in INTEGRATIONS]

    def day(number):
        colours = []
        for when in range(ROUNDS):
            error = world.run(flows[number], content(number, when), dag_run_id=f"run_{when}")
            colours.append("red" if error else "green")
            if number in LATE and when == 6:
                for _ in range(2):
                    world.late(flows[number], f"run_{when}")
        return colours

    with ThreadPoolExecutor(4) as threads:
        colours = list(threads.map(day, INTEGRATIONS))
    assert sum(map(len, colours)) == 200
    expected = Counter({(f"flow_{number:02d}", "failed"): 1 for number in (*FAILING, *RECOVERING)})
    expected |= Counter({(f"flow_{number:02d}", "recovered"): 1 for number in RECOVERING})
    expected |= Counter({(f"flow_{number:02d}", "late"): 1 for number in LATE})
    expected |= Counter({(f"flow_{HELD:02d}", "held"): 1})
    assert Counter(posts.events()) == expected
    assert Counter((mail["Subject"].split()[0], mail["X-Dragoman-Event"]) for mail in mails.mails) == expected
    assert Counter(event for _, event in expected) == {"failed": 10, "recovered": 3, "late": 2, "held": 1}
    ledger = world.ledger()
    assert ledger.untold() == []
    assert {row.state for row in ledger.notices()} == {"told"}
    unfinished = [run for run in ledger.runs(limit=500) if run.state in UNFINISHED]
    late = [run.integration for run in ledger.runs(limit=500) if run.late_at]
    ledger.close()
    assert len(unfinished) == len(FAILING) + 1
    assert sorted(late) == [f"flow_{number:02d}" for number in LATE]
