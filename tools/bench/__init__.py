"""The bench: every workload of `workloads/`, compiled by tcc, against the libraries its users would pick.

``python -m tools.bench run`` measures, ``report`` writes the page and the plot from one or two runs.
A workload is one NumPy-like body that every peer spells in its own functions (`peers/`), so that the
same program is measured everywhere.
"""
