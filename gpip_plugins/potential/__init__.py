"""Use of a saved model: its card, prediction of whole files, the ASE calculator."""

import lazy_loader

# Attributes are imported on first use: the command line needs no PyTorch to show its help.
__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "calculator": ["GpipCalculator"],
        "card": ["Card"],
        "file_prediction": ["errors_of", "predict_file"],
        "files": ["Prediction", "check_files", "read_predictable", "write_predictions"],
        "info": ["describe"],
        "loading": [
            "agreed_cutoff",
            "agreed_units",
            "check_elements",
            "load_potential",
            "require_outputs",
        ],
        "neighbors": ["LastingNeighborList"],
        "prediction": ["Evaluation", "Potential"],
    },
)
