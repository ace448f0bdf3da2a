"""Templates that are strict about names: one that the context lacks is an error, not a blank."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import jinja2


def open_templates(package: str) -> jinja2.Environment:
    """Return the templates in the folder `templates/` of a package.

    They are YAML and TOML, not HTML: nothing is escaped, their filters quote.
    """
    import jinja2

    return jinja2.Environment(
        loader=jinja2.PackageLoader(package),
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701 - see above
    )
