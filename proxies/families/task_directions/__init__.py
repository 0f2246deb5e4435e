"""The rooms of proxies/task_directions.py: task-specific directions."""
