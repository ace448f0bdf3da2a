"""The page in a real browser: what is drawn, what is said, and that nothing is asked of a network."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from tests.browser.pages import write_page
from tests.hostile import SCRIPT, TAKEN, take_in_fleet
from tests.records import make_instance, make_lost, make_record
from tests.showcase import (
    HOSTILE,
    LONG_NAME,
    make_host,
    make_run,
    plan_configs,
    write_many,
    write_run,
)

from resnet50_bench import read_runs
from resnet50_bench.results.files import read_record
from resnet50_bench.results.kpi import list_durations, run_kpis

pytestmark = pytest.mark.browser

PLOTS = ".plot:visible"
TOOLTIP = "#vg-tooltip-element"


def read_tooltip(page) -> dict[str, str]:
    """What is shown under the pointer, by its names."""
    rows = page.locator(f"{TOOLTIP} tr").all()
    return {
        row.locator("td.key").inner_text().rstrip(":"): row.locator("td.value").inner_text()
        for row in rows
    }


def count_marks(page, plot: str) -> int:
    return page.locator(f'[data-chart="{plot}"] svg [role^="graphics"] path').count()


def find_serious(page) -> list[str]:
    """The serious faults that axe-core finds, one line each."""
    from axe_playwright_python.sync_playwright import Axe

    found = Axe().run(page).response["violations"]
    return [
        f"{fault['id']}: {node['html'][:200]}"
        for fault in found
        if fault["impact"] in {"serious", "critical"}
        for node in fault["nodes"]
    ]


def test_every_chart_is_drawn_and_nothing_is_asked_of_the_network(showcase, open_page):
    page = open_page(showcase)
    plots = [plot.get_attribute("data-chart") for plot in page.locator(PLOTS).all()]
    kinds = {re.sub(r"(run-)?\d+", "N", plot) for plot in plots}
    assert kinds >= {"grid-N", "tradeoff", "shares", "engines", "published", "N-latency",
                     "N-rates", "N-noise", "N-placement"}  # fmt: skip
    for plot in plots:
        assert page.locator(f'[data-chart="{plot}"]').get_attribute("data-state") == "drawn"
        assert page.locator(f'[data-chart="{plot}"] svg path').count() > 3, plot


def test_every_chart_has_a_text_and_a_table_of_its_data(showcase, open_page):
    page = open_page(showcase)
    for plot in page.locator(PLOTS).all():
        text = page.locator(f"#{plot.get_attribute('aria-describedby')}")
        assert len(text.inner_text()) > 30
        figure = page.locator(f"figure#{plot.get_attribute('data-chart')}")
        table = figure.locator("details.data")
        told = int(re.search(r"\d+", table.locator("summary").inner_text()).group())
        table.locator("summary").click()
        assert figure.locator("details.data tbody tr").count() == told > 0


def test_the_answer_is_on_top_with_its_verdict(showcase, open_page):
    page = open_page(showcase)
    answer = page.locator("#answer .answer").inner_text()
    card = page.locator(".card").first
    figure = card.locator(".figure a").inner_text()
    assert answer.startswith(f"{figure} images/s in avx_int8")
    assert card.locator(".badge").inner_text() == "VALID"
    assert page.locator("#answer").bounding_box()["y"] < 200


def test_hovering_a_cell_of_the_map_shows_the_value_on_record(showcase, open_page):
    page = open_page(showcase)
    plot = page.locator('[data-chart^="grid-"]').first
    plot.locator(".mark-rect path").first.hover()
    shown = read_tooltip(page)
    precision = page.locator("figure h3").first.inner_text().split(",")[0]
    asked = (precision, shown["batch size"], shown["cores per instance"])
    runs = read_runs(showcase.parent / "sweep")
    rounds = [
        run.kpis.images_per_s
        for run in runs
        if run.verdict.valid and run.record.config.engine == "tensorflow" and describe(run) == asked
    ]
    assert len(rounds) == int(shown["rounds"])
    mean = sum(rounds) / len(rounds)
    assert float(shown["images/s"].replace(",", "")) == pytest.approx(mean, abs=0.006)


def describe(run) -> tuple[str, str, str]:
    record = run.record
    return (
        record.config.precision.value,
        str(record.workload.batch_size),
        str(record.placement.cores_per_instance),
    )


def test_hovering_the_distribution_shows_a_duration_on_record(showcase, open_page):
    page = open_page(showcase)
    run = page.locator(".run.shown")
    plot = run.locator('[data-chart$="-latency"]')
    box = plot.bounding_box()
    plot.scroll_into_view_if_needed()
    plot.hover(position={"x": box["width"] / 2, "y": box["height"] / 2})
    shown = float(read_tooltip(page)["ms"].replace(",", ""))
    name = run.locator(".name").inner_text().split()[0]
    record = read_record(showcase.parent / "sweep" / name)
    durations = [value / 1e6 for value in list_durations(record, run_kpis(record))]
    assert min(abs(value - shown) for value in durations) < 0.0006


def test_a_click_on_a_figure_leads_to_its_record(showcase, open_page):
    page = open_page(showcase)
    page.locator(".card .figure a").first.click()
    run = page.locator(".run.shown")
    assert run.is_visible()
    with page.expect_download() as download:
        run.locator("button[data-record]").click()
    record = json.loads(Path(download.value.path()).read_text())
    assert record["run_id"] == run.locator(".name").inner_text().split()[0]
    link = run.locator(".downloads a").get_attribute("href")
    assert json.loads((showcase.parent / link).read_text()) == record


def test_a_click_on_a_mark_leads_to_its_run(showcase, open_page):
    page = open_page(showcase)
    before = page.locator("#choice").input_value()
    page.locator('[data-chart="shares"] .mark-rect path').first.click()
    assert page.locator("#choice").input_value() != before


def test_the_roofline_has_the_53_convolutions(showcase, open_page):
    page = open_page(showcase)
    place = page.locator('[data-chart$="-roofline"]').first.get_attribute("data-chart")
    page.locator("#choice").select_option(place.removesuffix("-roofline"))
    page.wait_for_selector(f'[data-chart="{place}"][data-state="drawn"]')
    assert page.locator(f'[data-chart="{place}"] .mark-symbol path').count() >= 53
    page.locator(f'[data-chart="{place}"] .mark-symbol.role-mark path').nth(5).hover()
    assert read_tooltip(page)["layer"].startswith("conv2d")


def test_the_confusions_name_their_images(showcase, open_page):
    page = open_page(showcase)
    place = page.locator('[data-chart$="-confusions"]').first.get_attribute("data-chart")
    page.locator("#choice").select_option(place.removesuffix("-confusions"))
    details = page.locator(f"figure#{place} details.data")
    details.locator("summary").click()
    text = details.inner_text()
    assert "tabby" in text
    assert "ILSVRC2012_val_" in text


def test_the_table_sorts_and_filters(showcase, open_page):
    page = open_page(showcase)
    heading = page.locator("#all th[data-name=images_per_s] button")
    place = page.locator("#all thead th").evaluate_all(
        "all => all.findIndex((head) => head.dataset.name === 'images_per_s') + 1"
    )
    cells = page.locator(f"#all tbody tr td:nth-child({place})")
    heading.click()
    down = [float(text.replace(",", "")) for text in cells.all_inner_texts() if text]
    assert down == sorted(down, reverse=True)
    assert (
        page.locator("#all th[data-name=images_per_s]").get_attribute("aria-sort") == "descending"
    )
    heading.click()
    up = [float(text.replace(",", "")) for text in cells.all_inner_texts() if text]
    assert up == sorted(up)
    page.locator("#find").fill("int8 valid")
    found = page.locator("#all tbody tr").all_inner_texts()
    assert found
    assert all("avx_int8" in row and "INVALID" not in row for row in found)
    with page.expect_download() as download:
        page.locator("#runs-json").click()
    kept = json.loads(Path(download.value.path()).read_text())
    assert {row["precision"] for row in kept} == {"avx_int8"}
    assert len(kept) == len(found)
    page.locator("#find").fill("invalid")
    assert 0 < page.locator("#all tbody tr").count() < 10
    page.locator("#find").fill("nothing like this")
    assert page.locator("#all tbody tr").count() == 0
    assert page.locator("#found").inner_text().startswith("0 of")


@pytest.mark.parametrize("width", [390, 1920])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_and_has_no_serious_accessibility_fault(showcase, open_page, width, scheme):
    page = open_page(showcase, width=width, scheme=scheme)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    for plot in page.locator(PLOTS).all():
        box, drawn = plot.bounding_box(), plot.locator("svg").bounding_box()
        assert drawn["width"] <= box["width"] + 1
    assert find_serious(page) == []


def test_the_dark_is_dark_and_paper_is_white(showcase, open_page):
    page = open_page(showcase, scheme="dark")
    read = "getComputedStyle(document.body).backgroundColor"
    label = ".plot:visible svg .role-axis-label text"
    colour = "node => getComputedStyle(node).fill"
    assert page.evaluate(read) == "rgb(14, 19, 25)"
    dark = page.locator(label).first.evaluate(colour)
    page.emulate_media(media="print")
    assert page.evaluate(read) == "rgb(255, 255, 255)"
    assert page.locator(label).first.evaluate(colour) != dark
    pdf = page.pdf(format="A4")
    assert pdf.startswith(b"%PDF-")
    assert len(pdf) > 20_000


def test_text_from_a_record_is_text(tmp_path, open_page):
    host = make_host(HOSTILE)
    record = make_run(next(plan_configs()), 1, replace(host, cpu_model=HOSTILE))
    write_run(tmp_path / "runs", record)
    page = open_page(write_page(tmp_path / "runs", tmp_path / "report.html"))
    assert page.title().startswith("ResNet-50 v1.5 on <script>")
    assert page.locator("main script").count() == 0
    assert "\u202e" not in page.content()
    assert "\\u202e" in page.locator(".run.shown .pairs").nth(1).inner_text()


def test_no_script_in_what_a_fleet_sent_runs(tmp_path, open_page):
    page = open_page(write_page(take_in_fleet(tmp_path, SCRIPT), tmp_path / "report.html"))
    assert page.locator("#all tbody tr").count() == 7
    for row in page.locator("#all tbody tr").all():
        row.locator('a[href^="#"]').first.click()
        page.locator(".run.shown").wait_for()
        assert page.locator("main script, main [onload], main [onerror]").count() == 0
    assert page.title().startswith("ResNet-50 v1.5 on ")
    assert TAKEN in page.locator("main").inner_text()


def test_a_long_name_breaks_nothing(tmp_path, open_page):
    write_run(tmp_path / "runs", make_run(next(plan_configs()), 1, make_host(LONG_NAME)))
    page = open_page(write_page(tmp_path / "runs", tmp_path / "report.html"), width=390)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert LONG_NAME in page.locator(".run.shown").inner_text()


def test_an_invalid_run_says_so_on_top(tmp_path, open_page):
    instances = [make_instance(0), make_lost(1)]
    write_run(tmp_path / "runs", make_record(instances=instances, status="lost instances"))
    page = open_page(write_page(tmp_path / "runs", tmp_path / "report.html"))
    assert "No run here has a result that may be believed" in page.locator(".answer").inner_text()
    assert page.locator(".card.bad .badge").inner_text() == "INVALID (lost instances)"
    assert "SIGSEGV" in page.locator(".run.shown").inner_text()
    assert find_serious(page) == []


def test_an_empty_folder_says_what_to_do(tmp_path, open_page):
    (tmp_path / "runs").mkdir()
    page = open_page(write_page(tmp_path / "runs", tmp_path / "report.html"))
    assert "There is no run here yet" in page.locator(".answer").inner_text()
    assert find_serious(page) == []


def test_two_thousand_records(tmp_path, open_page):
    """How long it takes is told, not tested: `benchmarks/report.py` measures it."""
    write_many(tmp_path / "runs", 2000)
    output = write_page(tmp_path / "runs", tmp_path / "report.html")
    assert output.stat().st_size < 5_000_000
    page = open_page(output)
    assert page.locator("#found").inner_text() == "2000 of 2000 runs"
    assert page.locator("#all tbody tr").count() == 100
    page.locator("#more").click()
    assert page.locator("#all tbody tr").count() == 200
