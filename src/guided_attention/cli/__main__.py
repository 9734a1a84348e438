"""``python -m guided_attention.cli``: the command line where no script ``guided-attention`` is on the path."""

from guided_attention.cli.main import main

if __name__ == "__main__":
    main()
