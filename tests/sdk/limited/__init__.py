"""The tests of a server with limits, which is also stopped and started."""
