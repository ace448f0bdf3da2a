"""`r50 ctest`, which is the framework's `ctest.sh`: its flags, testsets, runs in the background."""
