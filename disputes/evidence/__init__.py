"""Files that clinics send with a dispute: judged and cleaned in a process of its own, kept outside every web root."""
