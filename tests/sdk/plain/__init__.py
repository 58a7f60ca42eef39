"""The tests of the server without a domain."""
