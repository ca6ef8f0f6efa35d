import pytest

from dragoman.language.cron import cron_fault


@pytest.mark.parametrize(
    "text",
    ["* * * * *", "*/15 * * * *", "0 6 * * mon-fri", "5,10,15 0-6/2 1 jan,JUL 0", "0 0 29 2 *", "0 0 31 2 1", "@daily", "0 0 l * *", "0 0 * * 5#2", "0 0 * * 7"],
)  # fmt: skip
def test_good(text):
    assert cron_fault(text) is None


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("60 * * * *", "schedule.cron"),
        ("* 24 * * *", "schedule.cron"),
        ("* * 0 * *", "schedule.cron"),
        ("* * * 13 *", "schedule.cron"),
        ("* * * * 8", "schedule.cron"),
        ("*/0 * * * *", "schedule.cron"),
        ("5-1 * * * *", "schedule.cron"),
        ("a * * * *", "schedule.cron"),
        ("1,,2 * * * *", "schedule.cron"),
        ("\u0661 * * * *", "schedule.cron"),
        ("* * * *", "schedule.cron"),
        ("", "schedule.cron"),
        ("@weakly", "schedule.cron"),
        ("* * * * * *", "schedule.seconds"),
        ("0 0 12 * * ? 2030", "schedule.seconds"),
        ("0 0 31 4,6 *", "schedule.never"),
    ],
)
def test_bad(text, code):
    assert cron_fault(text)[0] == code
