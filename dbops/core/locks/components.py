"""What hangs together in circles: the strongly connected components of a graph."""

from __future__ import annotations

from collections.abc import Sequence

Edges = Sequence[Sequence[int]]


def find_components(edges: Edges) -> list[list[int]]:
    """Return the components, each after those that its nodes point at.

    Tarjan's algorithm without recursion: a chain may be as long as there are sessions.

    >>> find_components([[1], [2], [1], [0]])
    [[2, 1], [0], [3]]
    """
    return _Search(edges).run()


class _Search:
    def __init__(self, edges: Edges) -> None:
        self.edges = edges
        self.index = [-1] * len(edges)
        self.low = [0] * len(edges)
        self.on_stack = [False] * len(edges)
        self.stack: list[int] = []
        self.found: list[list[int]] = []
        self.count = 0

    def run(self) -> list[list[int]]:
        for node in range(len(self.edges)):
            if self.index[node] < 0:
                self._explore(node)
        return self.found

    def _explore(self, start: int) -> None:
        work = [(start, iter(self.edges[start]))]
        self._enter(start)
        while work:
            node, successors = work[-1]
            for other in successors:
                if self.index[other] < 0:
                    self._enter(other)
                    work.append((other, iter(self.edges[other])))
                    break
                if self.on_stack[other]:
                    self.low[node] = min(self.low[node], self.index[other])
            else:
                work.pop()
                if work:
                    above = work[-1][0]
                    self.low[above] = min(self.low[above], self.low[node])
                if self.low[node] == self.index[node]:
                    self._leave(node)

    def _enter(self, node: int) -> None:
        self.index[node] = self.low[node] = self.count
        self.count += 1
        self.stack.append(node)
        self.on_stack[node] = True

    def _leave(self, node: int) -> None:
        component = []
        while True:
            member = self.stack.pop()
            self.on_stack[member] = False
            component.append(member)
            if member == node:
                break
        self.found.append(component)
