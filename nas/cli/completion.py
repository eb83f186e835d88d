"""`nas completion`: the script by which a shell completes `nas`."""

from __future__ import annotations

import click

from nas.cli.app import Examples

SHELLS = ("bash", "zsh", "fish")


@click.command(
    cls=Examples,
    examples=(
        "nas completion bash >> ~/.bash_completion",
        "nas completion zsh > ~/.zfunc/_nas",
        "nas completion fish > ~/.config/fish/completions/nas.fish",
    ),
)
@click.argument("shell", type=click.Choice(SHELLS))
def command(shell: str) -> None:
    """Print the script by which SHELL completes verbs, options, and the names of networks, spaces, strategies, data sets,
    recipes and run folders.

    For this shell alone: source <(nas completion bash), or in fish: nas completion fish | source
    """
    from nas.cli.completing import script

    click.echo(script(shell), nl=False)
