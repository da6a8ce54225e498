"""`python -m nano_banana_lab.main` is the command `nano-banana-lab`."""

from nano_banana_lab.main.cli import main

main()
