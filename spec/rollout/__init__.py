"""How traffic moves and what is checked on the way: rollout policies and checks, as users write them."""
