"""The process: signals are noted from its first moment, then the front door is opened."""

from nas_cifar10 import interrupts


def main() -> None:
    """Run the command line."""
    interrupts.listen()
    from nas_cifar10.cli import app

    try:
        app()
    finally:
        interrupts.ignore()


if __name__ == "__main__":
    main()
