"""The same run, packaged: as an image, a job, a chart, or inside an enclave.

What it answers: how the images are built and in which order (`images`); what an image's first
process does with its environment and its logs (`variables`, `container`, `export`); which Job,
MPIJob or chart a run becomes (`kubernetes`, `chart`); which manifest an enclave needs (`enclave`).
The image files lie in `containers/` beside `src/`; all other templates in `templates/` here.

It may import the tables of cases and parameters and what lies beneath them. It starts nothing but
the container's own run, and never imports a session, a report or the command line.

Public names: `images.plan_builds`, `container.run_protocol`, `kubernetes.render_job`,
`chart.render_chart`, `enclave.render_manifest`.
"""
