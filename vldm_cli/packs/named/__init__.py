"""Parts that a manifest names in place of bringing them along: public checkpoints, as they are published."""
