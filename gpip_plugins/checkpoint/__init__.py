"""Files of weights: safe loading, conversion."""

import lazy_loader

# Attributes are imported on first use: the command line needs no PyTorch to show its help.
__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "file": ["Checkpoint", "load", "load_model"],
        "settings": ["settings_of", "settings_of_tensors"],
    },
)
