"""Completion in bash, zsh and fish: click's, with a script for bash that gets words with `:` and `=` right."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click
from click.shell_completion import (
    BashComplete,
    CompletionItem,
    FishComplete,
    ShellComplete,
    ZshComplete,
    add_completion_class,
    split_arg_string,
)

if TYPE_CHECKING:
    from nas.cli.values import Values

HEADS = {
    "bash": "# Completion of nas in bash. In ~/.bashrc:  source <(nas completion bash)",
    "zsh": "# Completion of nas in zsh. In ~/.zshrc, after compinit:  source <(nas completion zsh)",
    "fish": "# Completion of nas in fish:  nas completion fish > ~/.config/fish/completions/nas.fish",
}

# bash breaks words at `:` and `=`, so the line is handed over whole, and what bash takes for the word with it. 3.2, which macOS
# has, knows neither `compopt` nor `nosort`.
_BASH = """\
%(complete_func)s() {
    local IFS=$'\\n' kind value
    COMPREPLY=()
    while IFS=, read -r kind value; do
        case $kind in
            file) COMPREPLY=($(compgen -f -- "$value")); compopt -o filenames 2>/dev/null ;;
            dir) COMPREPLY=($(compgen -d -- "$value")); compopt -o filenames 2>/dev/null ;;
            open) COMPREPLY+=("$value"); compopt -o nospace 2>/dev/null ;;
            plain) COMPREPLY+=("$value") ;;
        esac
    done < <(COMP_LINE="$COMP_LINE" COMP_POINT="$COMP_POINT" COMP_WORD="${COMP_WORDS[COMP_CWORD]}" \\
        %(complete_var)s=bash_complete "$1" 2>/dev/null)
}
complete -o nosort -F %(complete_func)s %(prog_name)s 2>/dev/null || complete -F %(complete_func)s %(prog_name)s
"""


# What stands before `=` in `--space=nas` is no part of the value, and stays.
_ZSH = """\
#compdef %(prog_name)s

%(complete_func)s() {
    local kind key descr
    local -a response plain open described
    response=("${(@f)$(COMP_WORDS="${words[*]}" COMP_CWORD=$((CURRENT-1)) %(complete_var)s=zsh_complete ${words[1]} 2>/dev/null)}")
    [[ $PREFIX == --*=* ]] && compset -P 1 '*='
    for kind key descr in ${response}; do
        case $kind in
            dir) _path_files -/ ;;
            file) _path_files -f ;;
            open) open+=("$key") ;;
            plain) if [[ $descr == _ ]]; then plain+=("$key"); else described+=("$key:$descr"); fi ;;
        esac
    done
    (( $#described )) && _describe -V '' described
    (( $#plain )) && compadd -V values -a plain
    (( $#open )) && compadd -V values -S '' -a open
}

if [[ $zsh_eval_context[-1] == loadautofunc ]]; then
    %(complete_func)s "$@"
else
    compdef %(complete_func)s %(prog_name)s
fi
"""

_FISH = """\
function %(complete_func)s
    set -l word (commandline -ct)
    set -l words (commandline -cop)
    set -lx COMP_WORDS (string join \\n -- $words | string collect)
    set -lx COMP_CWORD $word
    set -lx %(complete_var)s fish_complete
    for answer in ($words[1] 2>/dev/null)
        set -l kind (string split -m 1 , -- $answer)
        switch $kind[1]
            case dir
                __fish_complete_directories (string replace -r -- '^--[^=]*=' '' $word)
            case file
                __fish_complete_path (string replace -r -- '^--[^=]*=' '' $word)
            case plain open
                echo $kind[2]
        end
    end
end

complete --no-files --command %(prog_name)s --arguments '(%(complete_func)s)'
"""


class Bash(BashComplete):
    """The words from the whole line up to the cursor; answers without what bash took for a word of its own."""

    source_template = _BASH

    def source(self) -> str:
        """The script; click's asks the bash of this machine for its version, which another may read it."""
        return ShellComplete.source(self)

    def get_completion_args(self) -> tuple[list[str], str]:
        """The words before the cursor without the command, and the one that is begun."""
        typed = os.environ["COMP_LINE"].encode()[: int(os.environ["COMP_POINT"])].decode(errors="ignore")
        words = split_arg_string(typed)
        begun = "" if typed[-1:].isspace() or len(words) < 2 else words.pop()
        return words[1:], begun

    def format_completion(self, item: CompletionItem) -> str:
        """Kind and value."""
        _, begun = self.get_completion_args()
        option, value = _option(begun), str(item.value)
        word = os.environ.get("COMP_WORD", begun)
        word = "" if word in (":", "=") else word
        begun = begun.removeprefix(option)
        outside = begun[: len(begun) - len(word)] if begun.endswith(word) else ""
        return f"{_kind(item)},{value.removeprefix(outside)}"


class Zsh(ZshComplete):
    """Answers that end open have a kind of their own."""

    source_template = _ZSH

    def format_completion(self, item: CompletionItem) -> str:
        """Kind, value and description, a line each."""
        kind = _kind(item)
        help = "_" if kind == "open" else item.help or "_"
        value = str(item.value).replace(":", r"\:") if help != "_" else str(item.value)
        return f"{kind}\n{value}\n{' '.join(help.split())}"


class Fish(FishComplete):
    """The words one a line; `--space=` stands before its values."""

    source_template = _FISH

    def get_completion_args(self) -> tuple[list[str], str]:
        """The words before the cursor without the command, and the one that is begun."""
        return os.environ["COMP_WORDS"].split("\n")[1:], os.environ["COMP_CWORD"]

    def format_completion(self, item: CompletionItem) -> str:
        """Kind and value, and a description after a tab."""
        option = _option(self.get_completion_args()[1]) if item.type == "plain" else ""
        described = f"\t{' '.join(item.help.split())}" if item.help else ""
        return f"{_kind(item)},{option}{item.value}{described}"


def _kind(item: CompletionItem) -> str:
    """What ends open, `runs/` or `asha:`, is followed by no space."""
    return "open" if item.type == "plain" and str(item.value).endswith((":", "/")) else str(item.type)


def _option(word: str) -> str:
    """`--space=` of `--space=nas`; nothing where the word is no option with its value."""
    option, equals, _ = word.partition("=")
    return option + equals if word.startswith("--") and equals else ""


SHELLS: dict[str, type[ShellComplete]] = {"bash": Bash, "zsh": Zsh, "fish": Fish}


def register() -> None:
    """Let click answer the shells by these."""
    for name, shell in SHELLS.items():
        add_completion_class(shell, name)


def script(shell: str) -> str:
    """What a shell is to read."""
    from nas.cli.app import COMPLETING, app

    return f"{HEADS[shell]}\n{SHELLS[shell](app, {}, 'nas', COMPLETING).source().strip()}\n"


def teach(command: click.Command) -> None:
    """Let the parameters of a verb complete as the table of values says."""
    from nas.cli import values

    for parameter in command.params:
        found = values.of(parameter)
        if found is not None:
            parameter.shell_complete = _answering(found)  # type: ignore[method-assign, assignment]


def _answering(values: Values) -> _Complete:
    return lambda ctx, word: values(word)


if TYPE_CHECKING:
    from collections.abc import Callable

    _Complete = Callable[[click.Context, str], list[CompletionItem]]
