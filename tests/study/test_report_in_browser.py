"""The report in a real browser: it renders, its scripts run, it asks for nothing."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip


@pytest.mark.slow
@pytest.mark.skipif(BROWSER is None, reason="no chromium on this machine")
def test_report__renders_without_a_console_message_and_its_scripts_run(
    finished: Path, tmp_path: Path
):
    """Sort buttons are made by the page's script, so they show that it ran."""
    page = finished / "results" / "report" / "report.html"
    done = subprocess.run(
        [
            str(BROWSER), *FLAGS, f"--user-data-dir={tmp_path / 'profile'}",
            "--enable-logging=stderr", "--v=0", "--dump-dom", page.as_uri(),
        ],
        capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip

    assert "CONSOLE" not in done.stderr, done.stderr
    assert len(re.findall(r"<th[^>]*>\s*<button", done.stdout)) > 20
    assert done.stdout.count("<svg") >= 6
    assert not re.search(r'(?:src|href)="https?://', done.stdout)
