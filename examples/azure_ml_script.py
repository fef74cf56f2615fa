"""A script as it was written for Azure ML SDK v1: `runstone exec azure_ml_script.py --lr 0.1` runs it."""

from __future__ import annotations

import argparse
import os

from azureml.core import Run

parser = argparse.ArgumentParser()
parser.add_argument("--lr", type=float, default=0.1)
parser.add_argument("--epochs", type=int, default=20)
arguments = parser.parse_args()

run = Run.get_context()
run.log("lr", arguments.lr)
run.tag("kind", "gradient descent")

# the least of (x - 3)^2, step by step
x = 0.0
for epoch in range(arguments.epochs):
    x -= arguments.lr * 2 * (x - 3)
    run.log("loss", (x - 3) ** 2, step=epoch)
    run.log_row("path", epoch=epoch, x=x)

os.makedirs("outputs", exist_ok=True)
with open("outputs/x.txt", "w", encoding="utf-8") as file:
    file.write(f"{x}\n")
print(f"x = {x:.4f}, loss = {(x - 3) ** 2:.2e}")
run.complete()
