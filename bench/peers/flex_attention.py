"""Peers on an NVIDIA GPU with PyTorch: FlexAttention, and dense attention (SDPA and naive) where the pattern is full.

Prints the JSON lines of docs/benchmarks.md: median milliseconds of the forward pass between CUDA events, inputs [1, heads, n, headDim].
Run: python3 flex_attention.py [--ns 1024,4096] [--patterns ...] [--dtypes float32,float16] [--budget seconds]
"""
import argparse, json, time, torch
from torch.nn.attention.flex_attention import flex_attention, create_block_mask
from triton.testing import do_bench

parser = argparse.ArgumentParser()
parser.add_argument('--ns', default='1024,4096,16384')
parser.add_argument('--patterns', default='')
parser.add_argument('--dtypes', default='float32,float16')
parser.add_argument('--heads', type=int, default=8)
parser.add_argument('--headdim', type=int, default=64)
parser.add_argument('--budget', type=float, default=200.)
args = parser.parse_args()
start = time.time()
torch._dynamo.config.recompile_limit = 1000

PATTERNS = dict(
  causal=lambda b, h, i, j: i >= j,
  window=lambda b, h, i, j: (i - j).abs() <= 256,
  causalWindow=lambda b, h, i, j: (i >= j) & (i - j < 512),
  dilated=lambda b, h, i, j: ((i - j).abs() <= 512) & ((i - j) % 8 == 0),
  strided=lambda b, h, i, j: (i >= j) & ((i - j < 128) | ((i - j) % 128 == 0)),
  blockLocal=lambda b, h, i, j: (i // 256) == (j // 256),
  longformer=lambda b, h, i, j: ((i - j).abs() <= 256) | (i < 64) | (j < 64),
)
flex = torch.compile(flex_attention, dynamic=False)


def emit(system, dtype, pattern, n, **rest):
  print(json.dumps(dict(kind='attention', system=system, dtype=dtype, pattern=pattern, n=n, heads=args.heads, headDim=args.headdim, **rest)), flush=True)


def naive(q, k, v):
  return torch.softmax(q @ k.transpose(-1, -2) * args.headdim ** -.5, -1) @ v


for dtype in args.dtypes.split(','):
  for n in map(int, args.ns.split(',')):
    q, k, v = [torch.randn(1, args.heads, n, args.headdim, device='cuda', dtype=getattr(torch, dtype)) for _ in range(3)]
    full = 4 * n * n * args.headdim * args.heads
    for system, run in [('PyTorch SDPA', torch.nn.functional.scaled_dot_product_attention), ('PyTorch naive', naive)]:
      ms = do_bench(lambda: run(q, k, v), return_mode='median')
      emit(system, dtype, 'full', n, ms=ms, tflops=full / ms / 1e9)
    for name, attends in PATTERNS.items():
      if args.patterns and name not in args.patterns.split(','):
        continue
      if time.time() - start > args.budget:
        emit('FlexAttention', dtype, name, n, ms=None, error='skipped: over the budget')
        continue
      try:
        mask = create_block_mask(attends, None, None, n, n, device='cuda')
        keys = torch.arange(n, device='cuda')
        nnz = sum(int(attends(0, 0, rows[:, None], keys[None]).sum()) for rows in keys.split(2048))
        begin = time.time()
        flex(q, k, v, block_mask=mask)
        torch.cuda.synchronize()
        first = time.time() - begin
        ms = do_bench(lambda: flex(q, k, v, block_mask=mask), return_mode='median')
        emit('FlexAttention', dtype, name, n, ms=ms, tflops=4 * nnz * args.headdim * args.heads / ms / 1e9, density=nnz / n / n, firstMs=first * 1e3)
      except Exception as error:
        emit('FlexAttention', dtype, name, n, ms=None, error=str(error)[:200])
