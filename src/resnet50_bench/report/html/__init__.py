"""How does a folder of runs look in a browser?

One page that needs nothing else: no network, no server, no installation. It is rendered in three
steps: each record becomes a row (`rows`), rows that ask for the same become a configuration
(`configurations`), and the few runs that matter most are shown in detail (`detail`). The charts
(`charts/`, one subject a file) are descriptions in Vega-Lite, drawn in the browser by the library
itself, which `library` takes from an installed package and puts into the page. Colours are CSS
variables, so that one drawing is right in the light, in the dark and on paper.

Text from records is escaped by the template, and handed to the scripts as data only; the page's
content security policy lets no other script run, and opens no connection.

May import what `report` may.

Public names:
    `rows.describe_run`: a run's row.
    `detail.describe_detail`: a run with its charts and everything on record.
    `page.render_page`: the page of many.
"""
