"""How Sphinx makes a site of these pages: `make docs`."""

from __future__ import annotations

import resnet50_bench

project = "resnet50-bench"
author = "the resnet50-bench authors"
version = release = resnet50_bench.__version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinxcontrib.mermaid",
]
root_doc = "index"
html_theme = "furo"
html_title = f"resnet50-bench {version}"
html_show_copyright = False

myst_heading_anchors = 3
myst_fence_as_directive = ["mermaid"]

autodoc_typehints = "description"
autodoc_member_order = "bysource"
napoleon_numpy_docstring = False
