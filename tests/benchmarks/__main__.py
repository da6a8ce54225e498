"""`python -m tests.benchmarks`: measure the lab against its yardsticks, and print one table.

A row is a module in `rows` with a docstring that says what is measured against what, and
`async def run(bench: Bench) -> AsyncIterator[Line]`.
"""

import asyncio
import sys
from importlib import import_module
from pathlib import Path

import click
from tests.benchmarks.bench import Bench
from tests.benchmarks.harness import Line
from tests.benchmarks.report import as_json, circumstances, table, verdict

ROWS = sorted(path.stem for path in Path(__file__).with_name("rows").glob("*.py"))
LATEST = Path(__file__).parents[2] / ".benchmarks" / "latest.json"


@click.command()
@click.option("--only", multiple=True, type=click.Choice(ROWS), help="Measure this row; may be given several times.")
@click.option("--quick", is_flag=True, help="Small sizes and two rounds: under a minute, and the numbers say little.")
@click.option("--json", "path", type=click.Path(path_type=Path), default=LATEST, help="Where every number goes.")
@click.option("--markdown", is_flag=True, help="Print the table as docs/performance.md has it.")
def main(*, only: tuple[str, ...], quick: bool, path: Path, markdown: bool) -> None:
    """Measure the lab against its yardsticks; a missed target is said and is no failure."""
    about = circumstances(quick=quick)
    with Bench(quick=quick, rounds=2 if quick else 5) as bench:
        lines = asyncio.run(_measured(bench, only or ROWS))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(as_json(lines, about))
    click.echo(table(lines, markdown=markdown))
    click.echo(f"\n{about['date']}, commit {about['commit']}, Python {about['python']}, {about['cores']} cores")
    click.echo(verdict(lines))


async def _measured(bench: Bench, names: tuple[str, ...] | list[str]) -> list[Line]:
    lines = list[Line]()
    for name in names:
        click.echo(f"measuring {name} ...", err=True)
        lines += [line async for line in import_module(f"tests.benchmarks.rows.{name}").run(bench)]
    return lines


if __name__ == "__main__":
    sys.exit(main())
