"""How much an API bears: pure calculations without tasks or stored state."""
