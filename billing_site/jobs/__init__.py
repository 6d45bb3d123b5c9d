"""What the worker does. `schedules` lists what runs by itself, `runs` runs one of them, `tasks` hands them to the
queue, `worker` is the process, `abandoned` finds what a killed one left, `standing` says how each stands."""
