"""The simulated world: its plan, its SDFormat files, a simulator that reads them, patrols."""
