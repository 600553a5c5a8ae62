"""The section of a config that says how to retrain; knows no other section."""

from typing import Annotated, Literal

from pydantic import Field

from nas_cifar10.config.dimensions import Epochs, FolderPath, Section


class RetrainConfig(Section):
    """How the best candidate is trained for good."""

    epochs: Epochs = Field(30, description="passes over the training pictures")
    monitor: Literal["test", "validation", "none"] = Field(
        "test",
        description="curve drawn beside training; validation: train on the training part only",
    )
    test: bool = Field(True, description="false leaves the test set unread")
    seeds: Annotated[int, Field(ge=1, le=1000)] = Field(
        1,
        description="how often, each time from other first weights, in another order; the first "
        "model is the run's, the others say how much chance is in it",
    )
    views: Literal["none", "flip", "flip_translate"] = Field(
        "none",
        description="measure also the mean of what is said of several views of a picture, "
        "mirrored and shifted by a pixel; kept apart as test_views, no other number changes",
    )
    start_from: FolderPath | None = Field(
        None,
        description="folder of a run, on other pictures say: begin with the weights of its model, "
        "but for the last layer; stem and blocks must be alike; null: with drawn weights",
    )
    freeze: Annotated[int, Field(ge=0, le=10)] = Field(
        0, description="so many first blocks, and the stem, stay as `start_from` has them"
    )

    @property
    def measured_part(self) -> str | None:
        """Name the part that the model is measured on; None: on none it has not learnt."""
        if self.test:
            return "test"
        return "validation" if self.monitor == "validation" else None
