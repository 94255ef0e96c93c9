"""What images of many sizes cost, from two of them."""

from __future__ import annotations

import pytest
from PIL import Image

from weaktr_mmseg.pipeline.image_costs import ImageCost, fit_cost, read_sizes


class Photographs:
    """A listed data set of files with these widths, one pixel high."""

    def __init__(self, folder, widths):
        self.paths = [folder / f'{index}.png' for index in range(len(widths))]
        for path, width in zip(self.paths, widths):
            Image.new('L', (width, 1)).save(path)

    def __len__(self):
        return len(self.paths)

    def get_data_info(self, index):
        return dict(img_path=str(self.paths[index]))


def test_two_of_usual_size_and_the_largest_stand_for_all(tmp_path):
    sizes = read_sizes(Photographs(tmp_path, [9, 10, 500, 11, 12, 2]))
    assert sizes == (6, 544, 11, 500, (1, 3, 2))
    assert read_sizes(Photographs(tmp_path, [7])).indices == (0, 0, 0)


def test_of_many_files_some_are_opened(tmp_path, monkeypatch):
    monkeypatch.setattr('weaktr_mmseg.pipeline.image_costs.LOOKED_AT', 2)
    data = Photographs(tmp_path, [10, 1, 30, 1])
    data.paths[1].write_bytes(b'never opened')
    assert read_sizes(data) == (4, 80, 30, 30, (0, 2, 2))


def test_an_unreadable_file_has_no_pixels(tmp_path):
    data = Photographs(tmp_path, [10, 10])
    data.paths[0].write_bytes(b'')
    assert read_sizes(data).pixels == 10


def test_a_large_photograph_costs_its_pixels(tmp_path):
    sizes = read_sizes(Photographs(tmp_path, [10, 10, 110]))
    cost = fit_cost(sizes, usual=2.0, largest=7.0)
    assert cost == pytest.approx((1.5, 0.05))
    assert cost.of(sizes) == pytest.approx(2 + 2 + 7)


def test_photographs_of_about_one_size_cost_the_same(tmp_path):
    sizes = read_sizes(Photographs(tmp_path, [10, 11, 12]))
    assert fit_cost(sizes, usual=2.0, largest=3.0) == ImageCost(2.5)


def test_no_cost_is_negative(tmp_path):
    sizes = read_sizes(Photographs(tmp_path, [10, 10, 110]))
    assert fit_cost(sizes, usual=2.0, largest=1.0) == ImageCost(2.0)
    assert fit_cost(sizes, usual=0.1, largest=7.0).image == 0
