"""How is the same run packaged: as an image, a job, or a chart?

How the images are built and in which order (`images`); what an image's first process does with its
environment and its logs (`variables`, `container`, `export`, `readers`); how a run is made in one
(`engine`); which Job, MPIJob or chart a run becomes (`kubernetes`, `chart`), which batch script
(`slurm`); what it is in a submission (`submission`) to MLPerf. The image files lie in `containers/`
beside `src/`; `templates/` here has those of jobs and charts.

May import `cases`, `verdict`, `parameters` and what lies beneath them. It starts nothing but the
container's own run, and sbatch.

Public names:
    `images.plan_builds`, `container.run_protocol`: what is built; what an image's process does.
    `kubernetes.render_job`, `chart.render_chart`: a run as a job, and as a chart.
    `slurm.render_script`, `slurm.submit`: a run as a batch script, and that script handed to Slurm.
"""
