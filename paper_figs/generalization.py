from matplotlib.figure import Figure
def figures(data): return {}
