"""A saved model in use: prediction for single structures and for whole files."""

import lazy_loader

# Attributes are imported when they are used: the command line needs no PyTorch to show its help.
__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "files": ["Prediction", "check_files", "read_predictable", "write_predictions"],
        "model": [
            "agreed_cutoff",
            "agreed_unit",
            "check_elements",
            "load_potential",
            "require_outputs",
            "training_units",
        ],
        "potential": ["Potential"],
        "predict": ["errors_of", "predict_file"],
    },
)
