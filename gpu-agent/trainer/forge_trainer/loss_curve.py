"""The loss curve of a training run, from its metrics.jsonl: a small SVG, and a table for readers of plain text."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

WIDTH, HEIGHT, EDGE = 720, 320, 48
TABLE_ROWS = 10
MAX_POINTS = 600


@dataclass(frozen=True)
class Curve:
    """Points of (step, loss); `heldout` are the evaluations."""

    train: list[tuple[int, float]]
    heldout: list[tuple[int, float]]


def read_curve(path: Path) -> Curve:
    """Reads the lines that the train command wrote."""
    train, heldout = [], []
    for line in path.read_text(encoding="utf-8").splitlines():
        record = json.loads(line)
        target = {"metrics": train, "evaluation": heldout}.get(record.get("type"))
        if target is not None:
            target.append((int(record["step"]), float(record["loss"])))
    return Curve(train=train, heldout=heldout)


def curve_svg(curve: Curve) -> str:
    """The training loss as a line, held-out losses as dots."""
    points = curve.train + curve.heldout
    left, right = min(s for s, _ in points), max(s for s, _ in points)
    low, high = min(v for _, v in points), max(v for _, v in points)

    def place(step: int, loss: float) -> tuple[float, float]:
        x = EDGE + (step - left) / max(right - left, 1) * (WIDTH - 2 * EDGE)
        y = HEIGHT - EDGE - (loss - low) / max(high - low, 1e-9) * (HEIGHT - 2 * EDGE)
        return round(x, 1), round(y, 1)

    thin = curve.train[:: max(1, len(curve.train) // MAX_POINTS)]
    line = " ".join("{},{}".format(*place(*point)) for point in thin)
    dots = "".join('<circle cx="{}" cy="{}" r="4" fill="#c2410c"/>'.format(*place(*point)) for point in curve.heldout)
    bottom, side = HEIGHT - EDGE, WIDTH - EDGE
    label = '<text x="{}" y="{}" text-anchor="{}" fill="#475569">{}</text>'.format
    texts = [
        label(EDGE - 6, bottom, "end", f"{low:.2f}"),
        label(EDGE - 6, EDGE + 4, "end", f"{high:.2f}"),
        label(EDGE, bottom + 20, "middle", left),
        label(side, bottom + 20, "middle", right),
        label(WIDTH / 2, HEIGHT - 10, "middle", "step"),
        label(WIDTH / 2, 24, "middle", "training loss (line), held-out loss (dots)"),
    ]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif"'
        f' font-size="12">\n<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>\n'
        f'<path d="M{EDGE},{EDGE} V{bottom} H{side}" fill="none" stroke="#94a3b8"/>\n'
        f'<polyline points="{line}" fill="none" stroke="#1d4ed8" stroke-width="1.5"/>\n'
        f"{dots}\n{''.join(texts)}\n</svg>\n"
    )


def curve_table(curve: Curve) -> str:
    """About TABLE_ROWS rows of step and loss in Markdown, the first and the last among them; then the evaluations."""
    stride = max(1, len(curve.train) // TABLE_ROWS)
    shown = curve.train[::stride]
    if curve.train and shown[-1] != curve.train[-1]:
        shown.append(curve.train[-1])
    rows = [(step, f"{loss:.4f}", "") for step, loss in shown]
    rows += [(step, "", f"{loss:.4f}") for step, loss in curve.heldout]
    rows.sort(key=lambda row: row[0])
    body = "".join(f"| {step} | {train} | {held} |\n" for step, train, held in rows)
    return f"| step | training loss | held-out loss |\n|---:|---:|---:|\n{body}"
