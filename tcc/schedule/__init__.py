"""Graph and target facts to a program in the loop IR."""

from tcc.schedule.build import schedule, schedule_all

__all__ = ["schedule", "schedule_all"]
