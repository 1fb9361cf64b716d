"""Extensions of `spkmd`: a checking calculator, a thermostat, hooks.

Nothing is imported here: Hydra reads `gpip_plugins.md.inputs` before `spkmd` has loaded anything.
"""
