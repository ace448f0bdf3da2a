"""`make docs`: every page is in the site, and every link in it leads somewhere."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAPERS = (ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md")


def build_site(folder: Path, source: Path = DOCS) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-b", "html"]
    command += ["-c", str(DOCS), "-d", str(folder / "trees"), str(source), str(folder / "site")]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_site_is_built_without_a_warning(tmp_path: Path) -> None:
    done = build_site(tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    pages = {path.stem for path in DOCS.glob("*.md")}
    assert pages <= {path.stem for path in (tmp_path / "site").glob("*.html")}
    reference = (tmp_path / "site" / "python.html").read_text()
    assert "resnet50_bench.read_runs" in reference, "the door's reference is made of its docstrings"


def test_a_broken_link_is_found(tmp_path: Path) -> None:
    source = tmp_path / "docs"
    source.mkdir()
    (source / "index.md").write_text("# Page\n\n[nowhere](nowhere.md)\n")
    done = build_site(tmp_path, source)
    assert done.returncode != 0
    assert "nowhere.md" in done.stderr


def test_links_of_the_papers_outside_the_site_lead_to_files() -> None:
    for paper in PAPERS:
        for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", paper.read_text()):
            if not target.startswith(("http:", "https:")):
                assert (paper.parent / target).exists(), f"{paper.name}: {target}"
