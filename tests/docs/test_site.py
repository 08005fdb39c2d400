"""The site holds together: every page is in it, every link leads somewhere."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PAGES = sorted(DOCS.rglob("*.md"))
OTHERS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "data" / "README.md"]
LINK = re.compile(r"(?<!!)\[[^\]]+\]\(([^)\s]+)\)")


def without_blocks(text: str) -> str:
    return re.sub(r"^```.*?^```", "", text, flags=re.M | re.S)


def anchors(page: Path) -> set[str]:
    """Give the anchors of a page's headings, as Python-Markdown makes them."""
    headings = re.findall(r"^#{1,6} (.+)$", without_blocks(page.read_text("utf-8")), flags=re.M)
    plain = [
        re.sub(r"[^\w\s-]", "", heading.replace("`", "")).strip().lower() for heading in headings
    ]
    return {re.sub(r"[-\s]+", "-", heading) for heading in plain}


@pytest.mark.parametrize("page", [*PAGES, *OTHERS], ids=lambda p: str(p.relative_to(ROOT)))
def test_links__lead_to_pages_and_headings_that_exist(page):
    """A reader who follows a link must arrive."""
    broken = []
    for link in LINK.findall(without_blocks(page.read_text(encoding="utf-8"))):
        if link.startswith(("http://", "https://")):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(link)
    assert broken == []


def test_navigation__has_every_page_once():
    """A page that is not in the navigation is found by nobody."""

    def files(entries: list[object]) -> list[str]:
        found = []
        for entry in entries:
            (value,) = entry.values()  # type: ignore[attr-defined]  # every entry has a title
            found += [value] if isinstance(value, str) else files(value)
        return found

    config = yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))

    assert sorted(files(config["nav"])) == sorted(str(p.relative_to(DOCS)) for p in PAGES)


def test_site__asks_the_network_for_nothing():
    """Biobank enclaves have no network; a font or script from outside would hang there."""
    config = yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))

    assert config["theme"]["font"] is False
    assert not {"extra_javascript", "extra_css"} & config.keys()


def test_pages__name_no_path_of_one_machine():
    """Outputs are pasted from a run: the folder it ran in must not come with them."""
    for page in PAGES:
        assert not re.search(r"/(tmp|work|root|private)/", page.read_text(encoding="utf-8")), page


@pytest.mark.slow
@pytest.mark.skipif(
    not (find_spec("mkdocs") and find_spec("mkdocstrings") and find_spec("material")),
    reason="mkdocs-material and mkdocstrings are not installed: pip install '.[docs]'",
)
def test_site__builds_without_a_warning(tmp_path):
    """`strict: true` makes every warning of MkDocs an error."""
    shutil.copytree(DOCS, tmp_path / "docs")
    shutil.copy(ROOT / "mkdocs.yml", tmp_path)
    (tmp_path / "pgs_trd").symlink_to(ROOT / "pgs_trd")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "site" / "reference" / "api" / "index.html").is_file()
