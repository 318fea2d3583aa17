"""Fails a test that draws a figure in which something cannot be seen."""

import numpy as np
import pytest
from matplotlib.container import ErrorbarContainer
from matplotlib.figure import Figure


def check_figure(figure):
    """AssertionError if a curve cannot be seen or told apart, or a legend or an axis is not whole.

    An axis has a name. Upper ends of intervals are shown, up to 1, the most that a share can be.
    """
    renderer = figure.canvas.get_renderer()
    whole = figure.bbox.padded(1.0)
    legends = list(figure.legends)
    for axes in figure.axes:
        if not axes.get_visible():
            continue
        legends += [axes.get_legend()] if axes.get_legend() else []
        inside = axes.get_window_extent(renderer).padded(1.0)
        named = [line for line in axes.lines if not line.get_label().startswith('_')]
        for line in named:
            points = line.get_transform().transform(np.column_stack(line.get_data()))
            seen = [inside.contains(*point) for point in points if np.isfinite(point).all()]
            assert any(seen), f'nothing of {line.get_label()!r} is in the picture'
        looks = [(one.get_color(), one.get_linestyle(), one.get_marker()) for one in named]
        assert len(set(looks)) == len(looks), 'two curves look alike'
        for bars in (one for one in axes.containers if isinstance(one, ErrorbarContainer)):
            ends = np.concatenate([one.get_segments() for one in bars.lines[2]])[:, :, 1]
            top = axes.get_ylim()[1]
            assert top == 1.0 or ends.max() <= top, 'the upper end of an interval is cut'
        if axes.axison and (named or axes.patches):
            assert axes.get_xlabel(), 'an axis without a name'
            assert axes.get_ylabel(), 'an axis without a name'
            for label in (axes.xaxis.label, axes.yaxis.label):
                box = label.get_window_extent(renderer)
                inside_all = whole.contains(box.x0, box.y0) and whole.contains(box.x1, box.y1)
                assert inside_all, f'the name of an axis is cut: {label.get_text()!r}'
    for legend in legends:
        box = legend.get_window_extent(renderer)
        cut = not (whole.contains(box.x0, box.y0) and whole.contains(box.x1, box.y1))
        assert not cut, f'a legend is cut: {[text.get_text() for text in legend.get_texts()]}'


@pytest.fixture(autouse=True)
def checked_figures(monkeypatch):
    """Check every figure that is saved; return a list with an item for each."""
    saved, count = Figure.savefig, []

    def savefig(figure, *args, **kwargs):
        saved(figure, *args, **kwargs)
        check_figure(figure)
        count.append(1)

    monkeypatch.setattr(Figure, 'savefig', savefig)
    return count
