"""Maps of data: units on a lattice that learn with their neighbours, and a graph that grows."""

from scipy.sparse.csgraph import connected_components
from sklearn.datasets import load_iris

import protozoo as pz


x, y = load_iris(return_X_y=True)

fit = pz.fit("KohonenSOM", x, key=0, grid=(8, 6))
model, topology = fit.model, pz.topology
print(f"quantisation error {topology.quantisation_error(model, x):.3f} (squared)")
print(f"topographic error  {topology.topographic_error(model, x):.3f}")
print(f"units in use       {topology.units_in_use(model, x)} of {len(model.prototypes)}")

names = topology.label_map(model, x, y)
print(f"purity             {names.total_purity:.3f}")
assert names.total_purity > 0.9 and topology.topographic_error(model, x) < 0.2
# Each is a figure of matplotlib: `.savefig("hits.png")`.
figures = pz.plots.umatrix(model), pz.plots.hit_map(model, x, y), pz.plots.graph(model, x, y)

grown = topology.compacted(pz.fit("GrowingNeuralGas", x, key=0, capacity=30).model)
count, component = connected_components(topology.graph(grown))
print(f"a graph of {len(grown.prototypes)} prototypes, in {count} parts")
