"""`r50 loadgen`: MLPerf's load generator drives the instances."""
