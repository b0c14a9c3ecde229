"""The version of tcc."""

VERSION = "0.1.0"
