"""Withdraw generators: say which training sets and runs have their images, and build the sets anew without."""

import sys
from collections.abc import Sequence
from datetime import UTC, datetime

from etl.command import Stage, run
from etl.config import parse
from etl.errors import OK, SuccessorFailed
from training.settings import WithdrawSettings


def main(argv: Sequence[str] | None = None) -> int:
    """Parse the settings, record the withdrawals, say what they touch, mend it; return the exit code."""
    settings = parse(WithdrawSettings, argv, prog="forensics withdraw", description=__doc__)
    # Polars and Spark take seconds to load: not for `--help` or a misspelt key.
    from etl.images import withdrawal
    from training.withdrawal import report, touched

    stage = Stage("withdraw", "generators")
    root, ids = settings.root, settings.generators
    withdrawal.require_known(root, ids)
    if settings.dry_run:
        new = len(set(ids) - withdrawal.withdrawn(root).keys())
    else:
        new = withdrawal.withdraw(root, ids, settings.reason, datetime.now(UTC))
    sets = withdrawal.held(root, ids)
    print("\n".join(report(sets, touched(root, sets, withdrawal.scored(root, ids)))), flush=True)
    outdated = [one.name for one in sets if one.newest]
    done, failed = [f"nothing written, {len(outdated)} successors to build"], dict[str, str]()
    if not settings.dry_run:
        done, failed = _mend(settings, outdated)
    stage.finish(len(ids), new, already_there=len(ids) - new, note="; ".join(done) or "nothing to build or erase")
    if failed:
        reasons = "; ".join(f"{name}: {reason}" for name, reason in failed.items())
        raise SuccessorFailed(f"withdrawn, but {len(failed)} sets have no clean successor: {reasons}")
    return OK


def _mend(settings: WithdrawSettings, outdated: Sequence[str]) -> tuple[list[str], dict[str, str]]:
    """Build the sets anew and erase where asked; return what was done, and why each set that was not built."""
    if not outdated and not settings.erase:
        return [], {}
    from etl.images.erasure import erase
    from etl.images.successors import succeed
    from etl.lake.session import session
    from etl.lake.store import Lake

    with session("withdraw", root=settings.root) as spark:
        lake = Lake(settings.root, spark)
        built, failed = succeed(lake, outdated, settings.generators, datetime.now(UTC))
        done = [f"{label} built" for label in built]
        if settings.erase:
            erased = erase(lake, settings.generators)
            done += [f"{count} rows erased from {table}" for table, count in erased.items() if count]
    return done, failed


if __name__ == "__main__":
    sys.exit(run(main))
