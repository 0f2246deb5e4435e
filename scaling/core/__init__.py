"""What every part of scaling stands on: configuration, tasks, state, processes, files of a run."""
