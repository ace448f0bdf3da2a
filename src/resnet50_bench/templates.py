"""Templates that are strict about names: one that the context lacks is an error, not a blank."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from resnet50_bench.printable import show_controls

if TYPE_CHECKING:
    import jinja2


def open_templates(package: str, *, escape: bool = False) -> jinja2.Environment:
    """Return the templates in the folder `templates/` of a package.

    Args:
        package: its name.
        escape: they are HTML: every value is escaped, its control characters are shown, and what
            is not to be is marked safe. YAML and TOML have filters that quote.
    """
    import jinja2

    return jinja2.Environment(
        loader=jinja2.PackageLoader(package),
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
        finalize=_show_text if escape else None,
        autoescape=escape,  # noqa: S701 - see above
    )


def _show_text(value: Any) -> Any:
    """What is printed of a value; text that is marked safe is of a class of its own."""
    return show_controls(value) if type(value) is str else value
