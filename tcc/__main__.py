"""``python -m tcc`` is the command ``tcc``."""

from tcc.cli import main

main()
