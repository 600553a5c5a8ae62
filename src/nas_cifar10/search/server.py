"""What a process imports that workers are forked from; it computes nothing.

What it holds then is taken out of the garbage collector's sight, so that nobody's collections write
to pages that all of them share.
"""

import gc

import torch._dynamo  # noqa: F401 # what every optimizer of torch imports when it is made

import nas_cifar10.search.worker  # noqa: F401 # for its imports: torch above all

gc.freeze()
