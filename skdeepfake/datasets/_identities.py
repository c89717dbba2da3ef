"""Which videos show the same people."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from .._groups import encode


def connected_groups(identities: Sequence[Sequence[str]]) -> NDArray[np.intp]:
    """Group videos so that no identity is in two groups.

    A fake shows two people, the target and the source, and so ties their videos
    together. Groups are the connected components of the graph of videos and
    identities; grouping by the target alone leaves the source in other groups.
    """
    n_videos = len(identities)
    nodes: dict[str, int] = {}
    edges = [
        (video, n_videos + nodes.setdefault(identity, len(nodes)))
        for video, shown in enumerate(identities)
        for identity in shown
    ]
    n_nodes = n_videos + len(nodes)
    graph = coo_array(
        (np.ones(len(edges), np.int8), np.transpose(edges)), shape=(n_nodes, n_nodes)
    )
    _, components = connected_components(graph, directed=False)
    # SciPy does not promise an order of its numbers.
    return encode(components[:n_videos].tolist())
