"""Tests that the report shows what the book holds, to everybody, and that malicious names are only text in it."""

import csv
import io
import shutil
import signal
from dataclasses import replace

import pytest

from mp09.classroom import exports, similar
from mp09.classroom.book_entry import FAULT, GRADED, UNREADABLE, Entry
from mp09.classroom.page import page
from mp09.classroom.similar import Pair, similar_pairs
from mp09.classroom.summary import summarize
from mp09.grading.report import GradeReport, TestResult
from mp09.release.strip import strip
from selftests.conftest import ROOT

EVIL = '"><script>document.title="taken"</script><img src=x onerror=document.title="taken">'
FORMULA = '=HYPERLINK("http://example.invalid")'
TERMS = {"seed": "42", "data": f"synthetic {EVIL}"}


def entry(
    key, name, score, accuracy, *, status=GRADED, diagnosis="", near=False, problem="", visibility="after_published"
):
    tests = (
        TestResult("1.1", "Dataset length", 15 if score else 0, 15, "passed" if score else "failed"),
        TestResult("2.1", "Practice", 0, 0, "passed"),
        TestResult(
            "3.4", "Accuracy", max(score - 15, 0), 85, "failed", visibility, (), diagnosis, f"Got: {EVIL}", (EVIL,)
        ),
    )
    report = GradeReport(tests, score, 100.0, status, "sandboxed", "synthetic", 8, accuracy, 12.0, 42, near, 700)
    return Entry(key, name, f"{key}@example.edu", key, "", False, "d", status, problem, report)


@pytest.fixture(scope="module")
def entries():
    return [
        entry("anna", "Anna", 100, 0.95),
        entry("ben", "Ben", 90, 0.8983, diagnosis="accuracy-low", near=True),
        entry("evil", EVIL, 15, 0.125, diagnosis="accuracy-low"),
        entry("formula", FORMULA, 0, None, diagnosis="not-written"),
        entry("hidden", "Hana", 50, 0.5, visibility="hidden"),
        replace(entry("fault", "Faye", 0, None, status=FAULT), report=None, problem="no disk"),
        replace(entry("zip", "Zoe", 0, None, status=UNREADABLE), report=None, problem="zoe.zip: broken"),
    ]


def test_the_figures(entries):
    summary = summarize(entries)
    assert (len(summary.graded), len(summary.faults), summary.measured, summary.full) == (5, 2, 4, 1)
    assert (summary.mean, summary.median) == (51, 50)
    assert summary.scores[-1] == 1
    assert summary.scores[0] == 1
    assert sum(summary.scores) == 5
    assert summary.accuracies[2] == 1  # of twenty bins from 0 to 1, this one begins at 0.1 and holds 0.125
    rates = {test.number: (test.passed, test.graded) for test in summary.tests}
    assert rates == {"1.1": (4, 5), "2.1": (5, 5), "3.4": (0, 5)}
    assert [(key, [e.key for e in found]) for key, found in summary.diagnoses] == [
        ("accuracy-low", ["ben", "evil"]),
        ("not-written", ["formula"]),
    ]


def test_what_costs_accuracy_is_counted():
    book = [
        entry("anna", "Anna", 100, 0.95),
        entry("ben", "Ben", 60, 0.15, diagnosis="cause-statistics"),
        entry("cho", "Cho", 60, 0.25, diagnosis="cause-statistics"),
        entry("dan", "Dan", 80, 0.89, diagnosis="accuracy-low"),
        entry("eve", "Eve", 40, 0.125, diagnosis="learning-no-step"),
    ]
    found = [(key, [e.key for e in who]) for key, who in summarize(book).causes]
    assert found == [("cause-statistics", ["ben", "cho"]), ("", ["dan"]), ("learning-no-step", ["eve"])]
    section = page(book, TERMS).partition("What costs accuracy")[2].partition("</table>")[0]
    assert "the BatchNorm statistics of resnet18.pt" in section
    assert "0.2000" in section
    assert "none found" in section


def test_an_empty_book_has_a_page():
    assert "0</strong> submissions" in page([], {})


def test_nothing_hidden_is_shown_to_a_student(entries):
    html = page(entries, TERMS)
    section = html.partition('id="student-hidden"')[2].partition("</section>")[0]
    assert "Dataset length" in section
    assert "3.4" not in section


def test_a_remark_on_a_file_is_shown():
    one = entry("anna", "Anna", 100, 0.95)
    one = replace(one, report=replace(one.report, file_remark="'Submitted.py' was taken"))
    assert "&#39;Submitted.py&#39; was taken" in page([one], TERMS)


def test_student_text_is_escaped(entries):
    html = page(entries, TERMS, [Pair("evil", "anna", 0.9, 0.8)])
    assert EVIL not in html
    assert html.count("<script") == html.count("<style") == 1


def rows(text):
    return list(csv.reader(io.StringIO(text)))


def test_csv_for_everybody(entries):
    header, *plain = rows(exports.plain(entries))
    anna = dict(zip(header, plain[0], strict=True))
    assert (anna["name"], anna["score"], anna["accuracy"], anna["1.1"], anna["3.4"]) == (
        "Anna",
        "100",
        "0.95",
        "15",
        "85",
    )
    assert "2.1" not in header
    assert len(plain) == 7
    assert dict(zip(header, plain[-1], strict=True))["problem"] == "zoe.zip: broken"
    canvas = rows(exports.canvas(entries))
    assert canvas[1][0].strip() == "Points Possible"
    assert canvas[2] == ["Anna", "", "anna", "anna@example.edu", "", "100"]
    scope = rows(exports.gradescope(entries))
    assert scope[0][:6] == ["First Name", "Last Name", "SID", "Email", "Total Score", "Max Points"]
    assert scope[0][8] == "1.1: Dataset length (15.0 pts)"
    assert scope[1][4:7] == ["100", "100.0", "Graded"]
    assert scope[-1][6] == "Ungraded"


def test_no_points_stand_for_what_could_not_be_graded():
    partial = replace(entry("faye", "Faye", 30, None), status=FAULT)
    assert rows(exports.canvas([partial]))[2][-1] == ""
    assert rows(exports.gradescope([partial]))[1][4:7] == ["", "", "Ungraded"]
    assert ">30<" not in page([partial], {}).partition('class="student"')[0]


def test_everybody_of_a_group_gets_a_line():
    group = replace(entry("a", "Anna Li and Ben", 90, 0.9), email="a@example.edu,b@example.edu", sid="1,2")
    lines = [row[:4] for row in rows(exports.gradescope([group]))[1:]]
    assert lines == [["Anna", "Li", "1", "a@example.edu"], ["Ben", "", "2", "b@example.edu"]]
    assert [row[0] for row in rows(exports.canvas([group]))[2:]] == ["Anna Li", "Ben"]


def test_canvas_gets_its_own_numbers_back():
    own, other = replace(entry("li_77", "Li", 1, 0.1), sid="77"), replace(entry("x", "X", 1, 0.1), sid="88")
    assert [row[1:3] for row in rows(exports.canvas([own, other]))[2:]] == [["77", ""], ["", "88"]]


@pytest.mark.parametrize("render", exports.FORMATS.values(), ids=exports.FORMATS)
def test_no_cell_is_a_formula(entries, render):
    cells = [cell for row in rows(render(entries)) for cell in row]
    assert not [cell for cell in cells if cell.startswith(exports.FORMULA)]


def test_similar_pairs_leave_the_skeleton_aside(tmp_path):
    pytest.importorskip("copydetect")
    reference = (ROOT / "submitted.py").read_text()
    other = (ROOT / "selftests" / "submissions" / "correct" / "kept_fc_stacked.py").read_text()
    renamed = reference.replace("classifier", "my_head").replace("features", "my_features") + "\n# mine\n"
    texts = {"anna": reference, "ben": renamed, "cho": other, "dan": strip(reference), "eve": strip(reference)}
    for key, text in texts.items():
        (tmp_path / key).mkdir()
        (tmp_path / key / "submitted.py").write_text(text)
    (tmp_path / "mallory").mkdir()
    (tmp_path / "mallory" / "submitted.py").write_bytes(bytes(range(256)) * 10)
    (pair,), aside = similar_pairs(tmp_path, strip(reference))
    assert aside == []
    assert (pair.first, pair.second) == ("anna", "ben")
    assert pair.of_first > 0.9


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="Windows has no such limit")
def test_code_that_takes_minutes_to_read_is_left_aside(tmp_path, monkeypatch):
    pytest.importorskip("copydetect")
    monkeypatch.setattr(similar, "LIMIT_S", 3.0)
    reference = (ROOT / "submitted.py").read_text()
    for key, text in {"anna": reference, "ben": reference, "mallory": " \n" * (1 << 15)}.items():
        (tmp_path / key).mkdir()
        (tmp_path / key / "submitted.py").write_text(text)
    (pair,), aside = similar_pairs(tmp_path, strip(reference))
    assert (pair.first, pair.second, aside) == ("anna", "ben", ["mallory"])


@pytest.fixture(scope="module")
def browser():
    if not (shutil.which("chromium") and shutil.which("chromedriver")):
        pytest.skip("no chromium and chromedriver (Debian: chromium, chromium-driver)")
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    for option in ("--headless=new", "--no-sandbox", "--disable-gpu", "--window-size=1200,1000"):
        options.add_argument(option)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    options.binary_location = shutil.which("chromium")
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(shutil.which("chromedriver")))
    yield driver
    driver.quit()


@pytest.fixture
def opened(browser, entries, tmp_path):
    (tmp_path / "report.html").write_text(page(entries, TERMS, [Pair("evil", "anna", 0.9, 0.8)]))
    browser.get((tmp_path / "report.html").as_uri())
    return browser


def find(browser, selector):
    return browser.find_elements("css selector", selector)


def shown(browser):
    return [
        row.find_element("tag name", "th").text for row in find(browser, "#students tbody tr") if row.is_displayed()
    ]


def test_hostile_names_are_text_in_a_browser(opened):
    assert opened.title == "CNN Image Classifier: grades"
    assert not find(opened, "img")
    assert EVIL in shown(opened)
    assert not [entry for entry in opened.get_log("browser") if entry["level"] == "SEVERE"]


def test_the_table_can_be_sorted(opened):
    score = find(opened, "#students thead button")[1]
    score.click()
    rising = shown(opened)
    assert rising[:2] == ["Faye", "Zoe"]
    assert rising[-1] == "Anna"
    assert find(opened, "#students th[aria-sort=ascending]")
    score.click()
    assert shown(opened)[0] == "Anna"


def test_the_table_can_be_searched(opened):
    search = opened.find_element("id", "search")
    search.send_keys("accuracy-low ben")
    assert shown(opened) == ["Ben"]
    assert opened.find_element("id", "found").text == "1 of 7"
    search.clear()
    search.send_keys("x")
    search.send_keys("\b")
    assert len(shown(opened)) == 7


def test_a_students_page(opened):
    assert not [section for section in find(opened, ".student") if section.is_displayed()]
    opened.find_element("link text", "Ben").click()
    (section,) = [section for section in find(opened, ".student") if section.is_displayed()]
    assert "90 / 100" in section.text
    assert not opened.find_element("id", "students").is_displayed()
    opened.find_element("link text", "all students")
    section.find_element("tag name", "a").click()
    assert opened.find_element("id", "students").is_displayed()


def test_it_fits_a_phone_and_the_dark(opened):
    opened.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride", {"width": 390, "height": 800, "deviceScaleFactor": 2, "mobile": True}
    )
    opened.execute_cdp_cmd(
        "Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": "dark"}]}
    )
    try:
        assert opened.execute_script("return document.documentElement.scrollWidth") <= 390
        ground, text = opened.execute_script(
            "const s = getComputedStyle(document.body); return [s.backgroundColor, s.color]"
        )
        assert _lightness(ground) < 60 < 180 < _lightness(text)
    finally:
        opened.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
        opened.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


def _lightness(color: str) -> float:
    return sum(int(part) for part in color.removeprefix("rgb(").removesuffix(")").split(",")) / 3


def test_tables_are_accessible(opened):
    for table in find(opened, "table"):
        assert table.find_elements("css selector", "thead th[scope=col]")
    assert all(
        region.get_attribute("aria-label") or region.get_attribute("aria-labelledby")
        for region in find(opened, ".scroll")
    )
    assert all(figure.get_attribute("aria-label") for figure in find(opened, "svg[role=img]"))
    assert find(opened, "label[for=search]")
