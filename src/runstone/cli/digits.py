"""The demo's training: handwritten digits, two kinds of model, each epoch logged as a script would log it."""

from __future__ import annotations

import hashlib
import io
import math
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from runstone.model.errors import UserErrorException
from runstone.sdk.run import Run

try:
    from matplotlib.figure import Figure
    from sklearn.datasets import load_digits
    from sklearn.linear_model import SGDClassifier
    from sklearn.metrics import confusion_matrix, log_loss
    from sklearn.model_selection import train_test_split
    from sklearn.neural_network import MLPClassifier
except ImportError as error:
    raise UserErrorException(
        f"The demo trains with scikit-learn and draws with matplotlib, and {error.name} is not installed: "
        f"pip install 'runstone[demo]'"
    ) from error

EPOCHS = 15
LABELS = tuple(range(10))
# What guessing among ten digits costs; after so many epochs a model should do better.
GUESSING = math.log(10)
PATIENCE = 5
WRONG_SHOWN = 12


@dataclass(frozen=True)
class Trial:
    """What one child run tries. ``model`` is ``linear`` or ``network``."""

    model: str
    lr: float
    settings: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """What people see of it."""
        extra = "".join(f", {key} {value}" for key, value in self.settings.items())
        return f"{self.model}, lr {self.lr:g}{extra}"

    @property
    def params(self) -> dict[str, Any]:
        """Its hyperparameters."""
        return {"model": self.model, "lr": self.lr, "epochs": EPOCHS, **self.settings}

    def untrained(self) -> Any:
        """A model of scikit-learn's that has seen nothing yet."""
        if self.model == "linear":
            return SGDClassifier(
                loss="log_loss", learning_rate="constant", eta0=self.lr, random_state=0, **self.settings
            )
        width = int(self.settings.get("width", 32))
        solver = str(self.settings.get("solver", "adam"))
        return MLPClassifier((width,), learning_rate_init=self.lr, solver=solver, random_state=0)


TRIALS = (
    Trial("linear", 0.001),
    Trial("linear", 0.01),
    Trial("linear", 0.1, {"alpha": 0.01}),
    Trial("network", 0.001, {"width": 16}),
    Trial("network", 0.003, {"width": 32}),
    Trial("network", 0.01, {"width": 64}),
    # fails on purpose: such steps kill every unit of the hidden layer, and it learns nothing
    Trial("network", 5.0, {"width": 32, "solver": "sgd"}),
)


@dataclass(frozen=True)
class Data:
    """1,797 pictures of 8 x 8 pixels from 0 to 1, and the digits on them, in two parts."""

    train: Any
    train_labels: Any
    check: Any
    check_labels: Any
    sha256: str


class LearnsNothing(ArithmeticError):
    """Training goes on and on, and the model only guesses."""


def load() -> Data:
    """The digits that come with scikit-learn; a quarter of them is kept for checking."""
    pictures, labels = load_digits(return_X_y=True)
    digest = hashlib.sha256(pictures.tobytes() + labels.tobytes()).hexdigest()
    parts = train_test_split(pictures / 16.0, labels, test_size=0.25, random_state=0, stratify=labels)
    train, check, train_labels, check_labels = parts
    return Data(train, train_labels, check, check_labels, digest)


def train(run: Run, trial: Trial, *, data: Data) -> Iterator[float]:
    """Train and log epoch by epoch, yielding the accuracy after each; at the end the files are kept.

    Raises:
        LearnsNothing: the model still guesses after ``PATIENCE`` epochs.
    """
    run.log_params(trial.params)
    model = trial.untrained()
    order = np.random.default_rng(0)
    for epoch in range(EPOCHS):
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            # scikit-learn has its own words for a learning rate that is too high; ours is the exception
            warnings.simplefilter("ignore")
            _epoch(model, data, order.permutation(len(data.train)))
            loss = _loss(model, data.train, data.train_labels)
        accuracy = float(model.score(data.check, data.check_labels))
        run.log_metrics(
            {
                "loss": loss,
                "train_accuracy": float(model.score(data.train, data.train_labels)),
                "val_loss": _loss(model, data.check, data.check_labels),
                "accuracy": accuracy,
            },
            step=epoch,
        )
        yield accuracy
        if epoch + 1 >= PATIENCE and not loss < 0.99 * GUESSING:
            raise LearnsNothing(
                f"after {epoch + 1} epochs the loss is {loss:.2f}, and guessing costs {GUESSING:.2f}: a "
                f"learning rate of {trial.lr:g} is too high"
            )
    _keep(run, model, data)


def curves(children: Sequence[Run]) -> Figure:
    """The accuracy of several runs over their epochs, read back from the history."""
    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.add_subplot(xlabel="epoch", ylabel="accuracy", title="Digits: accuracy on unseen pictures")
    for child in children:
        series = child.get_metric_series("accuracy")
        axes.plot(series.steps, series.values, label=child.display_name)
    axes.legend(fontsize="small")
    return figure


def _epoch(model: Any, data: Data, order: Any) -> None:
    model.partial_fit(data.train[order], data.train_labels[order], classes=np.array(LABELS))


def _loss(model: Any, pictures: Any, labels: Any) -> float:
    chances = model.predict_proba(pictures)
    if not np.isfinite(chances).all():
        return math.nan
    return float(log_loss(labels, chances, labels=LABELS))


def _keep(run: Run, model: Any, data: Data) -> None:
    guessed = model.predict(data.check)
    matrix = confusion_matrix(data.check_labels, guessed, labels=LABELS)
    run.log_confusion_matrix(
        "confusion",
        {
            "schema_type": "confusion_matrix",
            "schema_version": "1.0.0",
            "data": {"class_labels": [str(label) for label in LABELS], "matrix": matrix.tolist()},
        },
    )
    run.log_image("wrong", plot=_wrong(data, guessed), description="Pictures that were read wrongly")
    run.upload_file("outputs/model.npz", _packed(model))


def _wrong(data: Data, guessed: Any) -> Figure:
    figure = Figure(figsize=(8, 3), layout="constrained")
    wrong = np.flatnonzero(guessed != data.check_labels)[:WRONG_SHOWN]
    for place, at in enumerate(wrong):
        axes = figure.add_subplot(2, WRONG_SHOWN // 2, place + 1)
        axes.imshow(data.check[at].reshape(8, 8), cmap="gray_r")
        axes.set_title(f"{data.check_labels[at]}, read as {guessed[at]}", fontsize="small")
        axes.set_axis_off()
    return figure


def _packed(model: Any) -> io.BytesIO:
    # weights as plain arrays: unlike a pickle, the file can be opened by anyone without running code
    weights = model.coefs_ if hasattr(model, "coefs_") else [model.coef_.T]
    biases = model.intercepts_ if hasattr(model, "coefs_") else [model.intercept_]
    arrays = {f"w{at}": array for at, array in enumerate(weights)}
    arrays |= {f"b{at}": array for at, array in enumerate(biases)}
    stream = io.BytesIO()
    np.savez_compressed(stream, **arrays)
    stream.seek(0)
    return stream
