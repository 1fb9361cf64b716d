"""Run the tasks of one part: preparations first, then trajectories and checks."""

from gpip_plugins.sampling.campaign.estimate import Estimate, estimate
from gpip_plugins.sampling.campaign.plan import Plan, preparations
from gpip_plugins.sampling.campaign.tasks import missing
from gpip_plugins.sampling.campaign.workers import number_of_cores, run_tasks
from gpip_plugins.sampling.dynamics.equilibration import CHUNK
from gpip_plugins.sampling.dynamics.trajectory import Explosion
from gpip_plugins.sampling.settings import SamplingSettings

__all__ = ["estimate_run", "run_plan"]


def run_plan(plan: Plan, settings: SamplingSettings) -> None:
    """Run the tasks of this part whose shards are missing, and the preparations they need.

    Args:
        plan: all tasks.
        settings: the part to run, the number of cores, and the treatment of explosions.

    Raises:
        Explosion: when a box explodes while it is prepared, unless such boxes are dropped.
    """
    workers, folder = settings.workers, settings.shards
    tasks = plan.share(workers.part, workers.parts)
    boxes = preparations(tasks)
    cores, progress = number_of_cores(workers.cores), workers.progress
    if boxes:
        run_tasks(boxes, folder, cores, "preparing", unit="ps", tick=CHUNK, progress=progress)
    exploded = [box for box in boxes if not box.facts(folder)["complete"]]
    if exploded and not settings.output.drop_exploded:
        message = exploded[0].facts(folder)["explosions"][-1].removesuffix(".")
        raise Explosion(
            f"{len(exploded)} of {len(boxes)} boxes exploded while they were prepared, also "
            f"with half the time_step={settings.dynamics.time_step} fs (the first, "
            f"{exploded[0].label}: {message}); choose a smaller time_step, or leave them out "
            "with on_explosion=drop."
        )
    run_tasks(tasks, folder, cores, "sampling", progress=progress)


def estimate_run(plan: Plan, settings: SamplingSettings) -> Estimate:
    """Estimate the cost of the missing tasks of this part.

    Args:
        plan: all tasks.
        settings: the part to run and the number of cores.
    """
    folder, workers = settings.shards, settings.workers
    tasks = missing(plan.share(workers.part, workers.parts), folder)
    stages = []
    for stage in (missing(preparations(tasks), folder), tasks):
        steps = {
            engine: [task.n_steps for task in stage if task.system is engine.system]
            for engine in plan.engines
        }
        stages.append({engine: numbers for engine, numbers in steps.items() if numbers})
    return estimate([stage for stage in stages if stage], number_of_cores(workers.cores))
