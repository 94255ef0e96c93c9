"""What a check found."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field

ERROR, WARNING = 'error', 'warning'


@dataclass(frozen=True)
class Problem:
    """One fault.

    Attributes:
        severity: ``'error'`` (training would fail or learn wrongly) or ``'warning'``.
        check: Name of the check that found it.
        file: File or configuration key at fault.
        message: What was expected and what came.
    """

    severity: str
    check: str
    file: str
    message: str


@dataclass
class Report:
    """Result of all checks.

    Attributes:
        datasets: One row a data set: ``name``, ``images``, ``labelled``, ``masks``; None instead of
            a number where it reads no labels or no masks.
        class_balance: Class name -> number of training images with it.
        problems: Every problem once, in the order found.
    """

    datasets: list[dict] = field(default_factory=list)
    class_balance: dict[str, int] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def error(self, check: str, file: object, message: object) -> None:
        """Add an error unless it is known."""
        self._add(Problem(ERROR, check, str(file), str(message)))

    def warning(self, check: str, file: object, message: object) -> None:
        """Add a warning unless it is known."""
        self._add(Problem(WARNING, check, str(file), str(message)))

    def _add(self, problem: Problem) -> None:
        if problem not in self._known:
            self._known.add(problem)
            self.problems.append(problem)

    def __post_init__(self) -> None:
        self._known = set(self.problems)

    @property
    def errors(self) -> list[Problem]:
        """The problems that forbid training."""
        return [problem for problem in self.problems if problem.severity == ERROR]

    def to_dict(self) -> dict:
        """The report as plain types, for JSON."""
        return dict(
            ok=not self.errors,
            datasets=self.datasets,
            class_balance=self.class_balance,
            problems=[asdict(problem) for problem in self.problems],
        )

    def to_text(self) -> str:
        """The report as tables for a terminal."""
        rows: list[tuple[str, ...]] = [('data set', 'images', 'labelled', 'masks')]
        rows += [
            tuple('not read' if value is None else str(value) for value in row.values())
            for row in self.datasets
        ]
        parts = [_table(rows)]
        if self.class_balance:
            counts = [(name, str(count)) for name, count in self.class_balance.items()]
            parts.append(_table([('class', 'training images'), *counts]))
        parts += [f'{p.severity.upper()} {p.check}: {p.file}: {p.message}' for p in self.problems]
        errors = len(self.errors)
        parts.append(f'{errors} errors, {len(self.problems) - errors} warnings')
        return '\n'.join(parts)


#: Checks that concern one sample, which a data set with ``on_fault='skip'`` goes on without.
SAMPLE_CHECKS = frozenset(
    {
        'image-missing',
        'image-unreadable',
        'label-file',
        'label-missing',
        'label-unknown',
        'mask-ids',
        'mask-missing',
        'mask-size',
        'mask-unreadable',
    }
)


class LenientReport(Report):
    """Passes problems on to a report, those of single samples as warnings."""

    def __init__(self, report: Report) -> None:
        super().__init__(report.datasets, report.class_balance, report.problems)
        self._known = report._known

    def error(self, check: str, file: object, message: object) -> None:
        """Add an error, or a warning if it concerns one sample."""
        add = super().warning if check in SAMPLE_CHECKS else super().error
        add(check, file, message)


def _table(rows: list[tuple[str, ...]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows)]
    lines = ['  '.join(cell.ljust(width) for cell, width in zip(row, widths)) for row in rows]
    return '\n'.join([lines[0], '  '.join('-' * width for width in widths), *lines[1:]]) + '\n'
