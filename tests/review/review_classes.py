"""Classes of the run that the tests review; one is hard to quote."""

CLASSES = ['cat', 'dog', 'c<ow> & "co"']
PALETTE = [[0, 0, 0], [255, 0, 0], [0, 255, 0], [0, 0, 255]]
