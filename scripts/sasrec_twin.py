#!/usr/bin/env python3
"""A training step of SASRec in PyTorch, timed: the twin that `hmisr bench train` is held against.

The same network as ours: item embeddings times sqrt(d) plus fixed sinusoidal positions, dropout,
pre-LayerNorm blocks of causal multi-head attention and a ReLU feed-forward, a last LayerNorm, and
logits against the item embeddings (tied). Dropout falls on the embeddings and on what each block's
two halves add. AdamW. The loss is the full softmax cross-entropy over the items, at every position or
at the last. --time-bias adds the learned bias of the attention by elapsed time that ours has; without
it the twin is a plain SASRec, and does less than ours.

PyTorch is used the way a practitioner would: eager mode, `scaled_dot_product_attention`, `F.linear`,
`F.cross_entropy`, one fused AdamW over all parameters where this build of PyTorch has it.

    python3 -m venv twin && twin/bin/pip install torch numpy
    twin/bin/python scripts/sasrec_twin.py --steps 20

prints one line of JSON: the median time of a step, and, as the ceiling, the speed of a product of
two 1024 x 1024 matrices (4096 on a GPU). With --serve it answers every line of its standard input by another
round of --steps steps, so that a caller can take turns with it without paying for its start.
"""

import argparse
import json
import math
import resource
import statistics
import sys
import time

import torch
import torch.nn.functional as F
from torch import nn

# Of elapsed time, as many as ours.
BUCKETS = 32


class Block(nn.Module):
    def __init__(self, d, heads, wide, dropout):
        super().__init__()
        self.heads, self.dropout = heads, dropout
        self.norm1, self.norm2 = nn.LayerNorm(d), nn.LayerNorm(d)
        self.mixed, self.output = nn.Linear(d, 3 * d), nn.Linear(d, d)
        self.expand, self.contract = nn.Linear(d, wide), nn.Linear(wide, d)

    def forward(self, x, bias):
        sequences, length, d = x.shape
        mixed = self.mixed(self.norm1(x)).view(sequences, length, 3, self.heads, d // self.heads)
        queries, keys, values = mixed.permute(2, 0, 3, 1, 4)
        context = F.scaled_dot_product_attention(
            queries, keys, values, attn_mask=bias, is_causal=bias is None)
        context = context.transpose(1, 2).reshape(sequences, length, d)
        x = x + self.drop(self.output(context))
        wide = F.relu(self.expand(self.norm2(x)))
        return x + self.drop(self.contract(wide))

    def drop(self, x):
        return F.dropout(x, self.dropout, self.training)


class SasRec(nn.Module):
    def __init__(self, args):
        super().__init__()
        d = args.width
        self.items = nn.Embedding(args.items, d)
        nn.init.normal_(self.items.weight, std=1 / math.sqrt(d))
        self.blocks = nn.ModuleList(
            Block(d, args.heads, args.feed_forward, args.dropout) for _ in range(args.layers))
        self.norm = nn.LayerNorm(d)
        self.dropout = args.dropout
        place = torch.arange(args.len).unsqueeze(1)
        rate = torch.exp(torch.arange(0, d, 2) * (-math.log(10_000.0) / d))
        positions = torch.zeros(args.len, d)
        positions[:, 0::2], positions[:, 1::2] = torch.sin(place * rate), torch.cos(place * rate)
        self.register_buffer("positions", positions)
        self.bias = None
        if args.time_bias:
            self.bias = nn.Parameter(torch.zeros(args.layers, BUCKETS, args.heads))
            hidden = torch.full((args.len, args.len), -1e9).triu(1)
            self.register_buffer("hidden", hidden)

    def forward(self, rows, buckets):
        x = self.items(rows) * math.sqrt(self.items.embedding_dim) + self.positions
        x = F.dropout(x, self.dropout, self.training)
        for layer, block in enumerate(self.blocks):
            bias = None
            if self.bias is not None:
                bias = F.embedding(buckets, self.bias[layer]).permute(0, 3, 1, 2) + self.hidden
            x = block(x, bias)
        return self.norm(x)


class Twin:
    def __init__(self, args):
        torch.manual_seed(args.seed)
        torch.set_float32_matmul_precision("high" if args.precision == "tf32" else "highest")
        self.args = args
        self.model = SasRec(args).train().to(args.device)
        self.optimizer = adamw(self.model.parameters())
        self.batches = [self.batch() for _ in range(4)]
        for number in range(args.warm_up):
            self.step(self.batches[number % 4])

    def batch(self):
        args = self.args
        rows = torch.randint(args.items, (args.batch, args.len + 1))
        buckets = torch.randint(BUCKETS, (args.batch, args.len, args.len)) if args.time_bias else None
        return rows.to(args.device), None if buckets is None else buckets.to(args.device)

    def step(self, batch):
        rows, buckets = batch
        self.optimizer.zero_grad(set_to_none=True)
        mixed = self.args.precision == "mixed"
        with torch.autocast(self.args.device, dtype=torch.bfloat16, enabled=mixed):
            hidden, targets = self.model(rows[:, :-1], buckets), rows[:, 1:]
            if self.args.positions == "last":
                hidden, targets = hidden[:, -1:], targets[:, -1:]
            logits = F.linear(hidden.reshape(-1, self.args.width), self.model.items.weight)
            loss = F.cross_entropy(logits, targets.reshape(-1))
        loss.backward()
        self.optimizer.step()
        return loss.item()

    def round(self):
        times = []
        for number in range(self.args.steps):
            begun = time.perf_counter()
            self.step(self.batches[number % 4])
            times.append(time.perf_counter() - begun)
        step = statistics.median(times)
        return {
            "step_ms": step * 1e3,
            "steps_ms": [time * 1e3 for time in times],
            "examples_per_s": self.args.batch / step,
            "threads": torch.get_num_threads(),
            "torch": torch.__version__,
            "gflops": product(self.args.device),
            "peak_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        }


def adamw(parameters):
    parameters = list(parameters)
    try:
        return torch.optim.AdamW(parameters, lr=1e-3, weight_decay=1e-5, fused=True)
    except (RuntimeError, TypeError):
        # Before PyTorch 2.4 there is no fused AdamW for the CPU.
        return torch.optim.AdamW(parameters, lr=1e-3, weight_decay=1e-5)


def product(device, times=5):
    # Large enough to fill the device; reading a value waits for it.
    size = 4096 if device == "cuda" else 1024
    a, b = torch.rand(size, size, device=device), torch.rand(size, size, device=device)
    (a @ b)[0, 0].item()
    taken = []
    for _ in range(times):
        begun = time.perf_counter()
        (a @ b)[0, 0].item()
        taken.append(time.perf_counter() - begun)
    return 2 * size**3 / statistics.median(taken) / 1e9


def arguments():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=int, default=3417)
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--layers", type=int, default=2)
    parser.add_argument("--heads", type=int, default=2)
    parser.add_argument("--feed-forward", type=int, default=256)
    parser.add_argument("--len", type=int, default=50)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--dropout", type=float, default=0.1)
    parser.add_argument("--positions", choices=["all", "last"], default="all",
                        help="where the loss is taken")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--precision", choices=["f32", "tf32", "mixed"], default="f32",
                        help="of products; mixed is autocast to bfloat16")
    parser.add_argument("--time-bias", action="store_true",
                        help="add the learned bias per time difference and head to the attention")
    parser.add_argument("--steps", type=int, default=20, help="steps timed in a round")
    parser.add_argument("--warm-up", type=int, default=5)
    parser.add_argument("--threads", type=int, help="default: what PyTorch chooses")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--serve", action="store_true",
                        help="a round for every line of the standard input, until it ends")
    return parser.parse_args()


def main():
    args = arguments()
    if args.threads:
        torch.set_num_threads(args.threads)
    twin = Twin(args)
    if not args.serve:
        print(json.dumps(twin.round()))
        return
    for _ in sys.stdin:
        print(json.dumps(twin.round()), flush=True)


if __name__ == "__main__":
    main()
