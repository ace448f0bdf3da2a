"""Runs in the forms that other tools read: JUnit, OpenMetrics, github-action-benchmark, MLflow."""
