"""Graph and target facts to a program in the loop IR."""

from tcc.schedule.build import schedule

__all__ = ["schedule"]
