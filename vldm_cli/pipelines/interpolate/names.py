"""What makes frames between a clip's own, by name. Imports nothing, so that checking a name takes no time."""

AUTO, MOTION, REFINED, DIFFUSION = "auto", "motion", "refined", "diffusion"
ENGINES = (AUTO, MOTION, REFINED, DIFFUSION)
BY_MOTION = (MOTION, REFINED)
