"""What a batch job's log says of progress."""

from __future__ import annotations

from pgs_trd.cli import common


def test_show_progress__tells_a_log_once_a_minute_how_long_it_will_take(monkeypatch, capsys):
    """A log of a line a block would be unreadable; one without any looks like a hang."""
    clock = iter([0.0, 30.0, 60.0, 61.0, 120.0, 121.0])
    monkeypatch.setattr(common.time, "monotonic", lambda: next(clock))

    with common.show_progress() as progress:
        for share in (0.0, 0.1, 0.25, 0.26, 0.5):
            progress("scores", share)
        progress("models", 0.0)

    assert capsys.readouterr().err.splitlines() == [
        "scores ...",
        "scores: 25%, about 3 min left",
        "scores: 50%, about 2 min left",
        "models ...",
    ]
