"""A policy cloned from episodes: what a filter of recordings is worth is what is learned from those that it leaves."""

import numpy as np
import torch
from torch import nn

from learning.episodes import Episode

HIDDEN, STEPS, BATCH, RATE = 128, 2500, 256, 1e-3


class Clone(nn.Module):
    """Observations to actions."""

    def __init__(self, observations: np.ndarray, actions: int):
        super().__init__()
        mean, std = observations.mean(0), observations.std(0)
        # What does not vary says nothing.
        scale = np.where(std > 1e-4, 1.0 / np.maximum(std, 1e-4), 0.0)
        self.register_buffer("mean", torch.as_tensor(mean, dtype=torch.float32))
        self.register_buffer("scale", torch.as_tensor(scale, dtype=torch.float32))
        inner = [nn.Linear(observations.shape[1], HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, HIDDEN), nn.ReLU()]
        self.layers = nn.Sequential(*inner, nn.Linear(HIDDEN, actions))

    def forward(self, observations: torch.Tensor) -> torch.Tensor:
        return self.layers(((observations - self.mean) * self.scale).clamp(-5, 5))  # (batch, actions)

    @torch.no_grad()
    def act(self, observation: np.ndarray) -> np.ndarray:
        """What it does there."""
        return self(torch.as_tensor(observation[None]))[0].numpy().clip(-1, 1)


def clone(episodes: list[Episode], seed: int) -> Clone:
    """By least absolute errors, which the hands that shake pull less."""
    torch.manual_seed(seed)
    seen = np.concatenate([one.observations[:-1] for one in episodes]).astype(np.float32)
    done = np.concatenate([one.actions for one in episodes]).astype(np.float32)
    policy = Clone(seen, done.shape[1])
    optimizer = torch.optim.Adam(policy.parameters(), RATE)
    observations, actions = torch.as_tensor(seen), torch.as_tensor(done)
    for _ in range(STEPS):
        batch = torch.randint(len(seen), (BATCH,))
        loss = (policy(observations[batch]) - actions[batch]).abs().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return policy
