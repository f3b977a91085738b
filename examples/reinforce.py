"""A pole on a cart learns to stand: REINFORCE with a learned baseline.

    python examples/reinforce.py --episodes 400

The cart is pushed left or right 50 times a second; an episode ends when the pole leans more than
12 degrees, the cart runs off its track, or 500 pushes are done. The method is that of Williams,
"Simple statistical gradient-following algorithms" (1992), the physics that of Barto, Sutton and
Anderson, "Neuronlike adaptive elements" (1983). Change the import to `import torch` and the
episodes stay the same.
"""

from __future__ import annotations

import argparse
import math

import rushlight as torch

nn = torch.nn
Categorical = torch.distributions.Categorical
MOST_STEPS = 500


class CartPole:
    """The state is the cart's place and speed, the pole's angle and its speed."""

    GRAVITY, CART, POLE, HALF_LENGTH, PUSH, STEP = 9.8, 1.0, 0.1, 0.5, 10.0, 0.02

    def reset(self) -> list[float]:
        self.state = (torch.rand(4) * 0.1 - 0.05).tolist()
        self.steps = 0
        return self.state

    def step(self, right: bool) -> tuple[list[float], bool]:
        """The next state and whether the episode is over."""
        place, speed, angle, turn = self.state
        force = self.PUSH if right else -self.PUSH
        total, moment = self.CART + self.POLE, self.POLE * self.HALF_LENGTH
        sine, cosine = math.sin(angle), math.cos(angle)
        drive = (force + moment * turn**2 * sine) / total
        inertia = self.HALF_LENGTH * (4 / 3 - self.POLE * cosine**2 / total)
        turning = (self.GRAVITY * sine - cosine * drive) / inertia
        pushing = drive - moment * turning * cosine / total
        self.state = [
            place + self.STEP * speed,
            speed + self.STEP * pushing,
            angle + self.STEP * turn,
            turn + self.STEP * turning,
        ]
        self.steps += 1
        fallen = abs(self.state[0]) > 2.4 or abs(self.state[2]) > math.radians(12)
        return self.state, fallen or self.steps == MOST_STEPS


def play(game: CartPole, policy) -> tuple[list[list[float]], list[torch.Tensor]]:
    """One episode: the states seen and the pushes chosen."""
    states, actions, state, over = [], [], game.reset(), False
    with torch.no_grad():
        while not over:
            action = Categorical(logits=policy(torch.tensor(state))).sample()
            states.append(state)
            actions.append(action)
            state, over = game.step(bool(action))
    return states, actions


def returns_of(length: int, discount: float) -> torch.Tensor:
    """What each step is worth, out of 1 for a pole that never falls: 1 - discount^(steps left)."""
    return 1 - discount ** torch.arange(length, 0, -1)


def learn(policy, critic, episodes: int, lr: float, discount: float = 0.99) -> list[int]:
    """Lengths of the episodes played; stops once 20 in a row last 475 steps on average."""
    optimizer = torch.optim.Adam([*policy.parameters(), *critic.parameters()], lr=lr)
    game, lengths = CartPole(), []
    for episode in range(1, episodes + 1):
        states, actions = play(game, policy)
        lengths.append(len(states))
        states, returns = torch.tensor(states), returns_of(len(states), discount)
        values = critic(states).squeeze(-1)
        # What came out better than expected is made more likely.
        advantage = returns - values.detach()
        choice = Categorical(logits=policy(states))
        gain = (choice.log_prob(torch.stack(actions)) * advantage).mean()
        loss = (values - returns).square().mean() - gain - 0.003 * choice.entropy().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        recent = lengths[-20:]
        if episode % 20 == 0:
            print(f"episode {episode:>4}  mean length of 20: {sum(recent) / len(recent):6.1f}")
        if len(recent) == 20 and sum(recent) / 20 >= 475:
            break
    return lengths


def network(outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(4, 64), nn.Tanh(), nn.Linear(64, outputs))


def main(argv=None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--episodes", type=int, default=400)
    parser.add_argument("--lr", type=float, default=0.01)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args(argv)
    torch.manual_seed(args.seed)
    lengths = learn(network(2), network(1), args.episodes, args.lr)
    first, last = lengths[:20], lengths[-20:]
    print(f"{len(lengths)} episodes: the pole stood for {sum(first) / len(first):.0f} steps at "
          f"first, {sum(last) / len(last):.0f} at last")  # fmt: skip


if __name__ == "__main__":
    main()
