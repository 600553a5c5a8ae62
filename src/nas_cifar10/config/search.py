"""The section of a config that says how to search; knows no other section."""

from typing import Annotated, Literal, TypeAlias

from pydantic import AfterValidator, Field

from nas_cifar10.config.candidate import CandidateConfig
from nas_cifar10.config.dimensions import (
    AutoOrCount,
    Count,
    Milliseconds,
    Minutes,
    RayAddress,
    Section,
    Work,
    also,
    no_repeats,
)

# From the goals that are minimised to the field of a trial that holds them.
COST_FIELDS = {"parameters": "parameters", "macs": "macs", "latency": "latency_ms"}
_GOALS = "accuracy or macro_f1 first, then one or more of parameters, macs and latency"


def _a_score_then_costs(goals: tuple[str, ...]) -> tuple[str, ...]:
    if len(goals) < 2 or goals[0] in COST_FIELDS or not set(goals[1:]) <= COST_FIELDS.keys():
        raise ValueError(f"must have {_GOALS}")
    return goals


Goals: TypeAlias = Annotated[
    tuple[Literal["accuracy", "macro_f1", "parameters", "macs", "latency"], ...],
    Field(strict=False, json_schema_extra=also(_GOALS)),
    AfterValidator(no_repeats),
    AfterValidator(_a_score_then_costs),
]


class SamplerConfig(Section):
    """Who proposes candidates."""

    name: Literal["tpe", "local", "random", "exhaustive"] = Field(
        "tpe",
        description="the sampler; local: neighbours of the best so far (of the baseline at first) "
        "that the constraints allow",
    )
    startup_trials: Count = Field(
        4,
        description="finished random trials before TPE's model is used, or the best has neighbours "
        "drawn; local starts from search.baseline at once where there is one",
    )


class ScheduleConfig(Section):
    """Which trials may go on."""

    name: Literal["hyperband", "halving", "none"] = Field(
        "hyperband", description="the schedule; none: all train to the end"
    )
    reduction_factor: Annotated[int, Field(ge=2, le=100)] = Field(
        3, description="one trial in so many goes on at a rung"
    )


class ConstraintsConfig(Section):
    """What a candidate may cost; one above it is refused before it is trained, and counted."""

    max_parameters: Work | None = Field(
        None, description="weights and biases, frozen ones too; null: no limit"
    )
    max_macs: Work | None = Field(
        None, description="multiply-accumulates a picture; null: no limit"
    )
    max_latency_ms: Milliseconds | None = Field(
        None,
        description="to predict one picture, in fp32, on the device and threads of the search; the "
        "sum of a network's parts, each timed once before the first trial; null: no limit",
    )


class RayConfig(Section):
    """The cluster that `search.executor: ray` trains on."""

    address: RayAddress | None = Field(
        None,
        description="of a running cluster; auto: RAY_ADDRESS, or the one of this machine; null: "
        "one of its own on this machine, for as long as the search runs",
    )
    cpus: Annotated[float, Field(gt=0, le=1024)] | None = Field(
        None, description="what a segment reserves; null: as many as a worker has threads"
    )
    gpus: Annotated[float, Field(ge=0, le=1024)] = Field(
        0.0, description="what a segment reserves, a share of one say; it waits for a node with it"
    )


class SearchConfig(Section):
    """How the best candidate is looked for."""

    trials: Count = Field(
        10, description="the total; pruned, failed, infeasible and repeated ones count"
    )
    cohort: Count = Field(5, description="trials asked together; independent of the workers")
    objective: Literal["accuracy", "macro_f1"] = Field(
        "accuracy", description="what is maximised, on validation"
    )
    objectives: Goals | None = Field(
        None,
        description="several goals at once, in place of `search.objective`: the first is "
        "maximised, the others are minimised, and the networks that no "
        "other dominates are the Pareto front; null: one objective",
    )
    sampler: SamplerConfig = SamplerConfig()
    schedule: ScheduleConfig = ScheduleConfig()
    constraints: ConstraintsConfig = ConstraintsConfig()
    workers: AutoOrCount = Field(
        1,
        description="segments trained at once; auto: one on every two CPU cores, at most a "
        "cohort's, and on a Ray cluster a cohort's",
    )
    executor: Literal["local", "ray"] = Field(
        "local", description="where segments are trained: on this machine, or on a Ray cluster"
    )
    ray: RayConfig = RayConfig()
    max_minutes: Minutes | None = Field(
        None, description="no new cohort is asked after so long; null: no limit"
    )
    max_losses: Count | None = Field(
        3, description="a trial has failed when so many of its workers have died; null: never"
    )
    storage_retry_seconds: Annotated[float, Field(gt=0, le=1e6)] = Field(
        300,
        description="for how long a database server that went away is asked again; training goes "
        "on meanwhile as far as it can",
    )
    baseline: CandidateConfig | None = Field(
        None, description="a first, fixed candidate of the space"
    )

    @property
    def score(self) -> str:
        """What is maximised: accuracy or macro_f1."""
        return self.objectives[0] if self.objectives else self.objective

    @property
    def costs(self) -> tuple[str, ...]:
        """The fields of a trial that are minimised: none where there is one objective."""
        return tuple(COST_FIELDS[goal] for goal in (self.objectives or ())[1:])

    @property
    def watched(self) -> tuple[str, ...]:
        """The fields of a trial that are minimised, then those that are only limited."""
        limits = self.constraints.model_dump(exclude_none=True)
        limited = (field for field in COST_FIELDS.values() if f"max_{field}" in limits)
        return tuple(dict.fromkeys((*self.costs, *limited)))
