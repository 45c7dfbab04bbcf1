"""`vitrine index --switch` and `vitrine encoder use`: a change of encoder on the command line."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import typer
from rich.console import Console

from indexer.cli import FINE, Bar, exit_code, interruptible, print_report
from services.settings import Settings

if TYPE_CHECKING:
    # Torch takes seconds to import, which `--help` need not wait for.
    from indexer.switch import Switch
    from services.catalogue.readers import Catalogue


def run_switch(
    settings: Settings,
    catalogue: Catalogue | None,
    *,
    keep_old: bool = False,
    lossy: bool = False,
    grace: float = 30.0,
    as_json: bool = False,
) -> int:
    """Change the encoder of the served collection to the one in the settings; returns the exit code.

    Raises `VitrineError` if it cannot be done, `typer.Exit` with 130 on Ctrl-C or SIGTERM.
    """
    with Bar(quiet=as_json) as bar, interruptible(bar):
        from services.telemetry import configure_logging

        configure_logging(settings)
        bar.say("loading the encoder")
        from indexer.switch import Plan, change_encoder
        from services.encoder.registry import load_accelerated

        encoder = load_accelerated(settings, many=True)

        bar.say("indexing")
        plan = Plan(keep_old=keep_old, lossy=lossy, grace=grace)
        done = change_encoder(settings, encoder, plan, catalogue=catalogue, progress=bar.update, say=bar.say)
    if as_json:
        report = None if done.report is None else done.report.as_dict()
        facts = {key: value for key, value in vars(done).items() if key != "report"}
        typer.echo(json.dumps({"report": report, **facts}, ensure_ascii=False))
    else:
        if done.report is not None:
            print_report(done.report)
        _print_switch(done, encoder.identity.name)
    if done.report is not None:
        return exit_code(done.report)
    return FINE


def _print_switch(done: Switch, encoder: str) -> None:
    console = Console()
    if done.switched:
        carried = f", {done.carried:,} products carried over" if done.carried else ""
        kept = f" {done.old} is kept; remove it with: vitrine encoder tidy." if done.old_kept else ""
        console.print(f"Serving {done.new} with {encoder} now{carried}.{kept}", markup=False)
    elif done.handed_over:
        console.print(
            f"{done.new} is built. The process that has {done.old} open is to carry over what is newer there "
            "and to switch; if none runs any more, run this again. The old one is served till then.",
            markup=False,
        )
    elif done.old == done.new:
        console.print(f"{done.old} is of {encoder} already: nothing to switch.", markup=False)
    else:
        console.print("No row could be used, so the old collection is served as before.")
