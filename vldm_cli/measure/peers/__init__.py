"""`vldm measure speed --peers`: this project's calls beside diffusers' own, in one process, of random weights."""
