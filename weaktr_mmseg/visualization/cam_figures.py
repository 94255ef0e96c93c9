"""Figures of one image: its maps, and the attention heads behind them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.cm import ScalarMappable
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from ..apis.cams import CAMInspection
from ..utils.masks import IGNORE_INDEX
from ..utils.palette import IGNORE_COLOUR
from .lettering import name_colours, write
from .panels import colour_labels, heat_overlay

PANEL = 1.9  # inches, width of a panel
MAX_CLASSES = 6  # columns of a figure
HEADS_SHOWN = 4  # most and least weighted
ATTENTION_CLASSES = 3  # pairs of rows of the head figure
HEAD_PANEL, MAP_WIDTH = 1.7, 3.2  # inches
KINDS, FRAMES = ('most', 'least'), ('tab:red', 'tab:blue')
MIN_SPREAD = 0.05  # of the colours of head weights
ALIKE = 0.005
TITLE: dict[str, Any] = dict(fontsize=9, pad=4)


def cam_figure(
    seen: CAMInspection,
    labels: np.ndarray,
    truth: np.ndarray | None,
    classes: Sequence[str],
    palette: Sequence[Sequence[int]],
    title: str = '',
) -> Figure:
    """Draws image, pseudo label and truth beside the coarse and fused maps of each class.

    Args:
        seen: What the network makes of the image.
        labels: The pseudo label, uint8 (H, W).
        truth: The mask, uint8 (H, W), if there is one.
        classes: Names of all classes, background first.
        palette: RGB colours of all classes.
        title: What the figure is of.

    Returns:
        Two rows; the classes with the highest scores when there are many.
    """
    shown = min(len(seen.class_ids), MAX_CLASSES)
    columns = (1 if truth is None else 2) + max(shown, 1)
    figure, axes = _grid(2, columns, seen.image.shape, title)
    _picture(axes[0, 0], seen.image, 'image')
    _picture(axes[1, 0], colour_labels(labels, palette), 'pseudo label')
    if truth is not None:
        _picture(axes[0, 1], colour_labels(truth, palette), 'ground truth')
        axes[1, 1].axis('off')
    legend_axis = axes[1, 1] if truth is not None else None
    first = columns - max(shown, 1)
    for column, index in enumerate(range(shown), first):
        class_id = seen.class_ids[index]
        name = f'{classes[class_id + 1]} ({seen.scores[class_id]:.2f})'
        for row, (kind, maps) in enumerate((('coarse', seen.coarse), ('fused', seen.fused))):
            overlay = heat_overlay(seen.image, maps[index : index + 1])
            _picture(axes[row, column], overlay, name if row == 0 else '')
            if column == first:
                axes[row, column].set_ylabel(f'{kind} CAM', fontsize=9)
    if not shown:
        for axis in axes[:, first]:
            axis.axis('off')
        axes[0, first].text(0.5, 0.5, 'no class above\nthe score', ha='center', va='center')
    _legend(figure, legend_axis, labels, truth, classes, palette)
    _colour_bar(figure, axes, 'activation')
    return figure


def head_figure(seen: CAMInspection, classes: Sequence[str], title: str = '') -> Figure:
    """Draws the weight of every head, and where the most and least weighted heads look.

    Args:
        seen: What the network makes of the image.
        classes: Names of all classes, background first.
        title: What the figure is of.

    Returns:
        A heat map layers x heads, and per class two rows with the attention of its class token to
        the patches in single heads, each scaled to its own range.
    """
    kinds = ranked_heads(seen.head_weights, HEADS_SHOWN)
    shown = min(len(seen.attention_ids), ATTENTION_CLASSES)
    rows, columns = 2 * shown, len(kinds[0])
    height, width = seen.image.shape[:2]
    panel_height = HEAD_PANEL * min(max(height / width, 0.5), 1.8) + 0.25
    figure = Figure(
        figsize=(MAP_WIDTH + HEAD_PANEL * columns + 0.4, max(rows * panel_height + 0.6, 3.2)),
        layout='constrained',
    )
    write(figure.suptitle('', fontsize=10), title)
    left, right = np.asarray(
        figure.subfigures(1, 2, width_ratios=(MAP_WIDTH, HEAD_PANEL * columns + 0.4)), object
    )
    weight_map(left, seen.head_weights, *kinds)
    axes = right.subplots(rows, columns, squeeze=False)
    for row, axes_row in enumerate(axes):
        kind, index = row % 2, row // 2
        name = classes[seen.attention_ids[index] + 1]
        write(axes_row[0].set_ylabel('', fontsize=9), f'{name}\n{KINDS[kind]} weighted')
        for axis, (layer, head) in zip(axes_row, kinds[kind]):
            attention = _to_image(seen.head_attention[layer, head, index], (height, width))
            weight = seen.head_weights[layer, head]
            caption = f'layer {layer + 1}, head {head + 1} ({weight:.2f})'
            _picture(axis, _attention_overlay(seen.image, attention), caption)
            for spine in axis.spines.values():
                spine.set(edgecolor=FRAMES[kind], linewidth=1.5)
    return figure


def ranked_heads(
    weights: np.ndarray, count: int
) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    """The (layer, head) pairs of most and of least weight, in descending order.

    Args:
        weights: (layers, heads).
        count: How many of each; fewer if there are not twice as many heads.
    """
    order = np.argsort(-weights, axis=None, kind='stable')
    count = min(count, len(order) // 2)
    heads = weights.shape[1]
    pairs = [divmod(int(flat), heads) for flat in order]
    return pairs[:count], pairs[len(pairs) - count :]


def weight_map(
    figure: Figure,
    weights: np.ndarray,
    most: Sequence[tuple[int, int]] = (),
    least: Sequence[tuple[int, int]] = (),
) -> None:
    """Draws head weights as a heat map into a figure, framing some of them.

    Args:
        figure: Where to draw.
        weights: (layers, heads), in [0, 1].
        most: Pairs framed as most weighted.
        least: Pairs framed as least weighted.
    """
    axis = figure.subplots()
    low, high = weights.min(), weights.max()
    # Weights that hardly differ must not look as if they did.
    spread = max(high - low, MIN_SPREAD)
    picture = axis.imshow(weights, cmap='viridis', vmin=high - spread, vmax=high)
    layers, heads = weights.shape
    axis.set_xticks(range(heads), [str(head + 1) for head in range(heads)], fontsize=8)
    axis.set_yticks(range(layers), [str(layer + 1) for layer in range(layers)], fontsize=8)
    axis.set_xlabel('head', fontsize=9)
    axis.set_ylabel('layer', fontsize=9)
    alike = ', all alike' if high - low < ALIKE else ''
    axis.set_title(f'weight of each head\n({low:.3f} to {high:.3f}{alike})', **TITLE)
    for (layer, head), weight in np.ndenumerate(weights):
        colour = 'black' if weight > high - spread / 2 else 'white'
        axis.text(head, layer, f'{weight:.2f}', ha='center', va='center', fontsize=7, color=colour)
    for pairs, colour in zip((most, least), FRAMES):
        for layer, head in pairs:
            corner = (head - 0.45, layer - 0.45)
            axis.add_patch(Rectangle(corner, 0.9, 0.9, fill=False, ec=colour, lw=2))
    bar = figure.colorbar(picture, ax=axis, fraction=0.06, pad=0.03)
    bar.ax.tick_params(labelsize=7)


def to_rgb(figure: Figure) -> np.ndarray:
    """Renders a figure, uint8 (H, W, 3)."""
    figure.set_dpi(100)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()


def _grid(rows: int, columns: int, shape: tuple[int, ...], title: str) -> tuple[Figure, np.ndarray]:
    aspect = min(max(shape[0] / shape[1], 0.4), 2.5)
    size = (PANEL * columns + 0.8, (PANEL * aspect + 0.25) * rows + (0.7 if title else 0.3))
    figure = Figure(figsize=size, layout='constrained')
    write(figure.suptitle('', fontsize=10), title)
    return figure, figure.subplots(rows, columns, squeeze=False)


def _picture(axis: Axes, picture: np.ndarray, title: str) -> None:
    axis.imshow(picture, interpolation='nearest')
    axis.set(xticks=[], yticks=[])
    write(axis.set_title('', **TITLE), title)


def _to_image(attention: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Attention on the patch grid, (h, w), scaled to [0, 1] and laid over the image, (H, W)."""
    low, high = attention.min(), attention.max()
    scaled = (attention - low) / max(high - low, 1e-12)
    return cv2.resize(scaled, size[::-1], interpolation=cv2.INTER_NEAREST)


def _attention_overlay(image: np.ndarray, attention: np.ndarray) -> np.ndarray:
    """Lights a gray image up where attention, in [0, 1], is high, RGB uint8 (H, W, 3)."""
    gray = np.repeat(image.mean(axis=2, keepdims=True) * 0.6 + 40, 3, axis=2)
    opacity = 0.15 + 0.7 * attention[..., None]
    colours = matplotlib.colormaps['inferno'](attention)[..., :3] * 255
    return (gray * (1 - opacity) + colours * opacity).astype(np.uint8)


def _legend(
    figure: Figure,
    axis: Axes | None,
    labels: np.ndarray,
    truth: np.ndarray | None,
    classes: Sequence[str],
    palette: Sequence[Sequence[int]],
) -> None:
    """Names the colours of the label maps, in an empty panel or below the figure."""
    found = set(np.unique(labels)) | (set() if truth is None else set(np.unique(truth)))
    colours = {classes[label]: palette[label] for label in sorted(found - {IGNORE_INDEX})}
    if IGNORE_INDEX in found:
        colours['ignored'] = IGNORE_COLOUR
    if axis is not None:
        name_colours(axis, colours, loc='center', fontsize=8)
    else:
        name_colours(figure, colours, loc='outside lower left', ncols=6, fontsize=8)


def _colour_bar(figure: Figure, axes: np.ndarray, label: str) -> None:
    scale = ScalarMappable(cmap=matplotlib.colormaps['jet'])
    bar = figure.colorbar(scale, ax=axes, fraction=0.02, pad=0.01, aspect=30)
    bar.set_label(label, fontsize=8)
    bar.ax.tick_params(labelsize=7)
