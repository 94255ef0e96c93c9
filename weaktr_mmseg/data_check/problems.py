"""What a check found."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from ..datasets.faults import ERROR, SHOWN, WARNING, Fault, in_one_line

#: What the report as JSON says of a problem.
FIELDS = ('severity', 'check', 'file', 'message', 'hint')
#: Checks of pixels that concern one sample, which a data set with ``on_fault='skip'`` goes
#: on without.
SAMPLE_CHECKS = frozenset({'image-unreadable', 'mask-ids', 'mask-size', 'mask-unreadable'})
Problem = Fault


@dataclass
class Report:
    """Result of all checks.

    Attributes:
        datasets: One row a data set: ``name``, ``images``, ``labelled``, ``masks``; None instead of
            a number where it reads no labels or no masks.
        class_balance: Class name -> number of training images with it.
        problems: Every fault once, in the order found.
        lenient: Whether errors of :data:`SAMPLE_CHECKS` are added as warnings from now on.
    """

    datasets: list[dict] = field(default_factory=list)
    class_balance: dict[str, int] = field(default_factory=dict)
    problems: list[Fault] = field(default_factory=list)
    lenient: bool = False

    def error(self, check: str, file: object, message: object) -> None:
        """Adds an error unless it is known."""
        severity = WARNING if self.lenient and check in SAMPLE_CHECKS else ERROR
        self.add_fault(Fault(check, str(file), str(message), severity=severity))

    def warning(self, check: str, file: object, message: object) -> None:
        """Adds a warning unless it is known."""
        self.add_fault(Fault(check, str(file), str(message), severity=WARNING))

    def add_fault(self, fault: Fault, lenient: bool = False) -> None:
        """Adds a fault of a data set.

        Args:
            fault: The fault.
            lenient: Whether faults of single samples are warnings only.
        """
        severity = WARNING if lenient and fault.sample else fault.severity
        problem = replace(fault, severity=severity, sample='', missing=False)
        if problem not in self._known:
            self._known.add(problem)
            self.problems.append(problem)

    def __post_init__(self) -> None:
        self._known = set(self.problems)

    @property
    def errors(self) -> list[Fault]:
        """The problems that forbid training."""
        return [problem for problem in self.problems if problem.severity == ERROR]

    def lines(self, severity: str | None = None) -> Iterator[str]:
        """Yields a line a problem: of each kind the first five, how many more, and a hint.

        Args:
            severity: Only problems of this severity, which is then not written.
        """
        for (kind, check), problems in self._kinds().items():
            if severity not in (None, kind):
                continue
            head = f'{check}: ' if severity else f'{kind.upper()} {check}: '
            for problem in problems[:SHOWN]:
                yield f'{head}{problem.line}'
            if len(problems) > SHOWN:
                yield f'{head}and {len(problems) - SHOWN} more'
            if problems[0].hint:
                yield f'    {problems[0].hint}'

    def error_line(self) -> str:
        """The errors in one line, of each kind the first five, how many more, and a hint."""
        return '; '.join(
            f'{check}: {in_one_line(problems)}'
            for (kind, check), problems in self._kinds().items()
            if kind == ERROR
        )

    def _kinds(self) -> dict[tuple[str, str], list[Fault]]:
        kinds: dict[tuple[str, str], list[Fault]] = {}
        for problem in sorted(self.problems, key=_weight):
            kinds.setdefault((problem.severity, problem.check), []).append(problem)
        return kinds

    def to_dict(self) -> dict:
        """The report as plain types, for JSON."""
        return dict(
            ok=not self.errors,
            datasets=self.datasets,
            class_balance=self.class_balance,
            problems=[{key: getattr(p, key) for key in FIELDS} for p in self.problems],
        )

    def tables(self) -> str:
        """What there is, for a terminal."""
        rows: list[tuple[str, ...]] = [('data set', 'images', 'labelled', 'masks')]
        rows += [
            tuple('not read' if value is None else str(value) for value in row.values())
            for row in self.datasets
        ]
        parts = [_table(rows)]
        if self.class_balance:
            counts = [(name, str(count)) for name, count in self.class_balance.items()]
            parts.append(_table([('class', 'training images'), *counts]))
        return '\n'.join(parts)

    def findings(self) -> str:
        """What is at fault, for a terminal: the errors last, above the prompt."""
        errors = len(self.errors)
        counts = f'{errors} errors, {len(self.problems) - errors} warnings'
        return '\n'.join([*self.lines(), counts])


def _weight(problem: Fault) -> int:
    """Sorts a report: what is at fault comes after what is merely rare."""
    return (problem.check != 'class-rare') + (problem.severity == ERROR)


def _table(rows: list[tuple[str, ...]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows)]
    lines = ['  '.join(cell.ljust(width) for cell, width in zip(row, widths)) for row in rows]
    return '\n'.join([lines[0], '  '.join('-' * width for width in widths), *lines[1:]]) + '\n'
