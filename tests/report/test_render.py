from __future__ import annotations

import re
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from html.parser import HTMLParser

import pandas as pd
import pytest

from pgs_trd.report import render_report

VOID = {"meta", "link", "br", "hr", "img", "input", "source"}
FIGURES = {
    "cohort_flow", "match_rates", "forest_by_domain", "overview", "forest_by_stratum",
    "forest_progression", "survival_1", "planted_against_estimated",
    "misclassification",
}  # fmt: skip
SECRET_COUNTS = {
    "AFR": {"trd": 1013, "responsive": 1789, "neither": 1423, "no_mdd": 3911},
    "AMR": {"trd": 1117, "responsive": 1667, "neither": 1301, "no_mdd": 3253},
    "EUR": {"trd": 1291, "responsive": 2203, "neither": 1531, "no_mdd": 4007},
}
FEW_PEOPLE = {
    "AFR": {"trd": 131, "responsive": 260, "neither": 102, "no_mdd": 1120},
    "EUR": {"trd": 290, "responsive": 1160, "neither": 312, "no_mdd": 6124},
}


class Page(HTMLParser):
    """What a page is made of: open tags, ids, links, and text."""

    def __init__(self, text):
        super().__init__()
        self.open, self.faults, self.ids, self.loads, self.text = [], [], [], [], []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attributes):
        self._note(tag, dict(attributes))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self._note(tag, dict(attributes))

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.faults.append(f"</{tag}> at {self.getpos()}")

    def handle_data(self, data):
        if not self.open or self.open[-1] not in ("style", "script"):
            self.text.append(data)

    def _note(self, tag, attributes):
        if "id" in attributes:
            self.ids.append(attributes["id"])
        for name in ("src", "href", "data", "poster", "action", "srcset", "xlink:href"):
            if attributes.get(name):
                self.loads.append((tag, attributes[name]))


@pytest.fixture(scope="module")
def report(build, tmp_path_factory):
    return render_report(build(), tmp_path_factory.mktemp("report"))


@pytest.fixture(scope="module")
def page(report):
    return Page(report.read_text(encoding="utf-8"))


def test_report__tags_are_balanced_and_ids_are_unique(page):
    """Every figure is in the page with ids of its own: clips and labels must not mix."""
    assert page.faults == []
    assert page.open == []
    assert len(page.ids) == len(set(page.ids))


def test_report__loads_nothing_from_anywhere(report, page):
    """It opens from a disk without network, and tells no server that it was read."""
    text = report.read_text(encoding="utf-8")

    for tag, target in page.loads:
        assert tag not in ("script", "img", "iframe", "link", "object")
        assert re.match(r"(#|tables/|figures/)", target), target
    outside = set(re.findall(r"https?://[^\s\"'<>)]+", text))
    assert outside <= {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"}
    assert "@import" not in text
    assert not re.search(r"url\((?!#)", text)


def test_report__every_link_leads_somewhere(report, page):
    """Files that the page offers are there; anchors too."""
    for _, target in page.loads:
        if target.startswith("#"):
            assert target[1:] in page.ids
        else:
            assert (report.parent / target).stat().st_size > 0


def test_report__writes_every_figure_as_svg_and_png(report):
    """A paper takes vectors, a slide takes pixels."""
    names = {path.name for path in (report.parent / "figures").iterdir()}
    assert names == {f"{name}.{ending}" for name in FIGURES for ending in ("svg", "png")}
    for name in FIGURES:
        svg = ElementTree.parse(report.parent / "figures" / f"{name}.svg").getroot()
        texts = svg.findall(".//{http://www.w3.org/2000/svg}text")
        assert len(texts) > 5


def test_report__tables_have_headings_for_screen_readers(report):
    """Each heading says what it heads, each table what it is."""
    text = report.read_text(encoding="utf-8")
    tables = re.findall(r"<table.*?</table>", text, flags=re.DOTALL)

    assert len(tables) > 8
    for table in tables:
        assert "<caption" in table
        assert not re.search(r"<th(?! scope=)[ >]", table)


def test_report__summary_says_what_was_found(build, report):
    """The hits of the fixture's planted effects, with the odds ratio of the table."""
    results = build()
    text = report.read_text(encoding="utf-8")

    row = results.meta.query("contrast == 'trd_vs_responsive' and score == 'SIM000001'").iloc[0]
    odds_ratio = f"{2.718281828459045 ** row['beta']:.2f}"
    assert f"Educational attainment {odds_ratio} (" in text
    assert "98,312 people in 3 strata" in text
    csv = pd.read_csv(
        report.parent / "tables" / "association_pooled.csv", float_precision="round_trip"
    )
    again = csv.query("contrast == 'trd_vs_responsive' and score == 'SIM000001'").iloc[0]
    assert again["beta"] == row["beta"]


def test_report__same_results_give_the_same_bytes(build, tmp_path):
    """A report that differs without reason cannot be reviewed."""
    for name in ("one", "two"):
        render_report(build(FEW_PEOPLE, n_scores=3), tmp_path / name)

    for path in sorted((tmp_path / "one").rglob("*.*")):
        other = tmp_path / "two" / path.relative_to(tmp_path / "one")
        assert path.read_bytes() == other.read_bytes(), path.name


def test_report__no_hidden_count_is_anywhere(build, tmp_path):
    """Every class count is below the threshold: none may be in page, tables or figures.

    Counts of four digits and a threshold to match, because small numbers are
    everywhere in a page, in dates, options and p-values.
    """
    results = build(SECRET_COUNTS, n_scores=6)
    path = render_report(results, tmp_path, threshold=5000)

    secrets = {n for people in SECRET_COUNTS.values() for n in people.values()}
    women = results.characteristics.query("level == 'female'")["trd"]
    secrets |= {int(women.iloc[0])}
    secrets |= {int(n) for n in results.curves["n_people"].unique() if 0 < n <= 5000}
    secrets |= {int(n) for n in results.association["n_cases"].unique() if n <= 5000}
    page = path.read_text(encoding="utf-8")
    texts = [" ".join(Page(page).text), " ".join(re.findall(r'data-sort="([^"]*)"', page))]
    texts += [file.read_text() for file in sorted((tmp_path / "tables").iterdir())]
    for file in sorted((tmp_path / "figures").glob("*.svg")):
        texts.append(" ".join(ElementTree.parse(file).getroot().itertext()))
    for secret in secrets:
        shown = re.compile(rf"(?<![\d.,])({secret}|{secret:,})(?![\d]|[.,]\d)")
        for text in texts:
            # In a CSV file a comma parts cells.
            assert not shown.search(text.replace("\n", " ; ").replace(",", " , ")), secret
            assert f"{secret:,}" not in text


def test_report__is_finished_where_everything_is_hidden(build, tmp_path):
    """A study of a few dozen people has a page, without survival curves."""
    few = {"trd": 3, "responsive": 6, "neither": 2, "no_mdd": 9}

    path = render_report(build({"AFR": few, "EUR": few}, n_scores=3), tmp_path, threshold=20)

    page = Page(path.read_text())
    assert (page.open, page.faults) == ([], [])
    estimates = pd.read_csv(tmp_path / "tables" / "association.csv")
    assert estimates[["beta", "se", "ci_low", "ci_high", "p_value"]].isna().all().all()
    names = {path.name for path in tmp_path.rglob("*")}
    assert "survival_curves.csv" not in names
    assert not any(name.startswith("survival_1") for name in names)


def test_report__is_finished_without_a_risk_table(build, tmp_path):
    """All are hidden and enter after the origin: the risk table has no time to show."""
    few = {"trd": 3, "responsive": 6, "neither": 2, "no_mdd": 9}
    results = build({"EUR": few}, n_scores=2)
    late = results.curves[results.curves["days"] > 0]

    render_report(build({"EUR": few}, n_scores=2, curves=late), tmp_path, threshold=20)

    assert not (tmp_path / "tables" / "survival_risk_table.csv").exists()


def test_report__real_data_have_no_planted_effects(build, tmp_path):
    """Without a truth there is nothing to compare with; empty tables leave no empty section."""
    empty = pd.DataFrame()
    path = render_report(
        build(
            FEW_PEOPLE,
            n_scores=3,
            truth=None,
            curves=empty,
            progression=empty,
            progression_meta=empty,
        ),
        tmp_path,
    )

    text = path.read_text(encoding="utf-8")
    assert "Planted" not in text
    assert "Simulated" not in text
    assert 'id="progression"' not in text
    assert not (tmp_path / "tables" / "planted_against_estimated.csv").exists()


def test_report__a_second_report_leaves_no_file_of_the_first(build, tmp_path):
    """A stale figure beside a new page would be believed; a stranger's file is kept."""
    empty = pd.DataFrame()
    few = {"curves": empty, "attrition": empty, "progression": empty, "match_summary": empty}
    render_report(build(FEW_PEOPLE, n_scores=2, **few), tmp_path)
    planted = tmp_path / "figures" / "planted_against_estimated.svg"
    assert planted.exists()
    (tmp_path / "figures" / "mine.svg").write_text("mine")

    few |= {"progression_meta": empty, "meta": empty, "association": empty}
    render_report(build(FEW_PEOPLE, n_scores=2, **few), tmp_path)

    assert not planted.exists()
    assert (tmp_path / "figures" / "mine.svg").read_text() == "mine"


def test_report__shows_other_definitions_with_their_curve(build, tmp_path):
    """Figure, tables and CSV of the specification curve; nothing of it without definitions."""
    meta = build(n_scores=6).meta.query("contrast == 'trd_vs_responsive'")
    rows = [meta.assign(definition=name) for name in ("adequate2", "grid_t1_r1", "grid_t1_r2")]
    definitions = pd.DataFrame(
        {"definition": ["adequate2", "grid_t1_r1", "grid_t1_r2"], "title": ["main", "one", "two"]}
    )

    path = render_report(
        build(n_scores=6, sensitivity=pd.concat(rows), definitions=definitions), tmp_path
    )

    text = path.read_text(encoding="utf-8")
    assert 'id="figure-specification_curve"' in text
    assert "Under all 2 other definitions the sign is the same for 1 of them" in text
    csv = pd.read_csv(tmp_path / "tables" / "association_by_definition.csv")
    assert len(csv) == 18
    assert not {"n", "n_events"} & set(csv.columns)


def test_report__text_of_the_user_cannot_become_markup(build, tmp_path):
    """A title is text, whatever is in it, in the page and in its figures."""
    traits = pd.DataFrame(
        {"score": ["SIM000001"], "trait": ["<script>$x$</script> & co"], "domain": ["a<b"]}
    )

    path = render_report(
        build(FEW_PEOPLE, n_scores=2, title="<b>T</b> & co", traits=traits), tmp_path
    )

    page = Page(path.read_text(encoding="utf-8"))
    assert page.faults == []
    assert "<b>T</b> & co" in "".join(page.text)
    assert path.read_text(encoding="utf-8").count("<script>") == 1


def test_import__of_the_report_does_not_load_matplotlib():
    """Drawing is for those who draw: the command line must start at once."""
    code = "import sys, pgs_trd.report; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
