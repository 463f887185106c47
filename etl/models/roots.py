"""Where declared bases end, over numbered models: one pass, linear in models and declarations. Pure.

Nodes 0 … n - 1 are models and the nodes from `first_known` on are base models that are known as such. A root is a
node's number; where there is none, a negative number says why.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

NO_BASE, OUTSIDE, CONTRADICTED, CYCLE, SEVERAL = -1, -2, -3, -4, -5
"""Instead of a root: none named where there must be one; a base that is not in the catalogue; a base that the
model's own class belies; a circle; different roots. Where a model's bases have several, the lowest is told."""

NO_FAMILY = 0
Ints = NDArray[np.int32]


@dataclass
class Graph:
    """Nodes with their bases, and what is found out about each; arrays of 32-bit integers over all nodes.

    `targets[offsets[i]:offsets[i + 1]]` are the bases of node i, OUTSIDE for one that is not there; no node is its
    own base. `family` has the code of each node's own family, NO_FAMILY where unknown. `shared[f]` is the family
    that f's pipeline class stands for unless there is evidence: f itself, or another that shares the class.
    """

    offsets: Ints
    targets: Ints
    root: Ints
    """At first the node itself, or why it has none; with bases it is found out."""
    depth: Ints
    family: Ints
    shared: Sequence[int]
    offshoots: frozenset[int]
    """Families whose members may be made from another's."""
    first_known: int


def resolve(graph: Graph) -> list[list[int]]:
    """Fill in root, depth and family of the nodes that have bases; return the circles, each with its nodes.

    A known base in a circle, or whose own bases lead nowhere certain, is its own root.
    """
    circles = []
    for members in _components(graph.offsets, graph.targets):
        if len(members) > 1:
            circles.append(members)
            for node in members:
                if node < graph.first_known:
                    graph.root[node] = CYCLE
        else:
            _follow(graph, members[0])
    return circles


def _follow(graph: Graph, node: int) -> None:
    """Settle a node whose bases are settled."""
    bases = graph.targets[graph.offsets[node] : graph.offsets[node + 1]].tolist()
    roots = {int(graph.root[base]) if base >= 0 else OUTSIDE for base in bases}
    families = {int(graph.family[base]) if base >= 0 else NO_FAMILY for base in bases}
    named = [root for root in roots if root >= 0]
    root = SEVERAL if len(named) > 1 else min(roots)
    certain = root >= graph.first_known
    if node >= graph.first_known and not certain:
        return
    own, of_bases = int(graph.family[node]), families.pop() if len(families) == 1 else NO_FAMILY
    if node < graph.first_known:
        if root >= 0 and _belied(graph, own, of_bases):
            root = CONTRADICTED
        graph.family[node] = _family(graph, own, of_bases, certain)
    graph.root[node] = root
    if root >= 0:
        graph.depth[node] = 1 + min(int(graph.depth[base]) for base in bases)


def _belied(graph: Graph, own: int, of_bases: int) -> bool:
    """Whether a model's class cannot be made from what it declares: cards are copied from other models."""
    known = own != NO_FAMILY and of_bases != NO_FAMILY and graph.offshoots.isdisjoint((own, of_bases))
    return known and graph.shared[own] != graph.shared[of_bases]


def _family(graph: Graph, own: int, of_bases: int, certain: bool) -> int:
    """A model's own class decides; its bases do where it has none, or where the class stands for several families.

    Evidence of the model's own then beats bases that are not known as such.
    """
    if own == NO_FAMILY:
        return of_bases
    same_class = of_bases != NO_FAMILY and graph.shared[own] == graph.shared[of_bases]
    return of_bases if same_class and (certain or own == graph.shared[own]) else own


def _components(offsets: Ints, targets: Ints) -> Iterator[list[int]]:
    """Yield the strongly connected components of nodes that have bases, each after those that it leads to.

    Tarjan's algorithm without recursion, since chains may be long. Memory: 13 bytes a node.
    """
    next_, end, base_at = (memoryview(values.data) for values in (offsets.copy(), offsets[1:], targets))
    seen, low = (memoryview(np.zeros(len(end), np.int32).data) for _ in range(2))
    settled = bytearray(np.diff(offsets) == 0)
    count, open_ = 0, []
    for start in np.flatnonzero(np.diff(offsets)).tolist():
        path = [] if seen[start] else [start]
        while path:
            node = path[-1]
            if not seen[node]:
                count += 1
                seen[node] = low[node] = count
                open_.append(node)
            while next_[node] < end[node]:
                base = base_at[next_[node]]
                next_[node] += 1
                if base < 0 or settled[base]:
                    continue
                if not seen[base]:
                    path.append(base)
                    break
                low[node] = min(low[node], seen[base])
            else:
                path.pop()
                if path:
                    low[path[-1]] = min(low[path[-1]], low[node])
                if low[node] == seen[node]:
                    place = _last(open_, node)
                    members = open_[place:]
                    del open_[place:]
                    for member in members:
                        settled[member] = True
                    yield members


def _last(values: list[int], value: int) -> int:
    """The last place of a value, by a search from the end."""
    place = len(values) - 1
    while values[place] != value:
        place -= 1
    return place
