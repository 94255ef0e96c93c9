from __future__ import annotations

import torch

from weaktr_mmseg.crf.refine_scores import refine_scores

IMAGE = torch.zeros(2, 3, 3, dtype=torch.uint8)


def test_only_winners_reach_the_crf_with_clipped_values():
    scores = torch.zeros(4, 2, 3)
    scores[1], scores[2], scores[3, 0] = 0.5, 0.3, 1.7  # 3 wins the upper row, 1 the lower
    seen = []

    def crf(image, unary):
        seen.append(unary)
        return unary  # so that the least likely class wins

    labels = refine_scores(IMAGE, scores, crf)

    (unary,) = seen
    expected = -torch.tensor([[0.5, 0.5], [1.0, 1e-5]]).log()  # classes 1 and 3, row by row
    torch.testing.assert_close(unary, expected[:, :, None].expand(2, 2, 3))
    assert labels.tolist() == [[1] * 3, [3] * 3]


def test_a_single_winner_needs_no_crf():
    scores = torch.zeros(3, 2, 3)
    scores[2] = 0.4
    assert refine_scores(IMAGE, scores, None).tolist() == [[2] * 3] * 2
