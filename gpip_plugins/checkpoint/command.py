"""The command `gpip convert-checkpoint`."""

import argparse

__all__ = ["add_convert_checkpoint"]


def add_convert_checkpoint(commands) -> None:
    """Register `gpip convert-checkpoint`."""
    parser = commands.add_parser(
        "convert-checkpoint",
        help="convert a checkpoint of TorchMD-Net's Equivariant Transformer into a best_model",
        description="Reads a Lightning checkpoint of TorchMD-Net, or of Pre-training via "
        "Denoising, writes a best_model for SchNetPack, and prints the settings with which "
        "spktrain builds the same network.",
        epilog="example: gpip convert-checkpoint et.ckpt et_model",
    )
    parser.add_argument("source", metavar="IN", help="checkpoint of TorchMD-Net, ending in .ckpt")
    parser.add_argument("target", metavar="OUT", help="file to be written, a best_model")
    parser.add_argument(
        "--force", dest="overwrite", action="store_true", help="replace an existing file"
    )
    parser.set_defaults(run=run_convert_checkpoint)


def run_convert_checkpoint(args: argparse.Namespace) -> None:
    """Convert the file and print the result."""
    from gpip_plugins.checkpoint.archive import model_path, open_archive
    from gpip_plugins.io.paths import check_target, resolve

    # Before PyTorch and SchNetPack are imported, which takes seconds.
    path = model_path(args.source, "source")
    check_target(resolve(args.target), (), args.overwrite, path)
    open_archive(path, "source")

    from gpip_plugins.checkpoint.conversion import convert_checkpoint

    print(f"{args.target}: {convert_checkpoint(args.source, args.target, args.overwrite)}")
