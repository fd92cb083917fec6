"""Exact search among keys of one byte per number: FAISS (flat, scalar quantiser of 8 bits) and USearch (exact).

python3 keys.py KEYS DIMENSION QUERIES THREADS ROUNDS: prints a JSON line with the versions and the medians in milliseconds, of one query and of
QUERIES together. A search returns the nearest key; every key is compared.
"""

import json
import statistics
import sys
import time

import faiss
import numpy
import usearch
from usearch.index import MetricKind
from usearch.index import search as exact_search

keys, dimension, queries, threads, rounds = map(int, sys.argv[1:])
faiss.omp_set_num_threads(threads)
generator = numpy.random.default_rng(0)
pool = generator.uniform(-0.5, 0.5, 1 << 20).astype(numpy.float32)


def rows(count):
    """Unit rows that start at random positions of the pool, because drawing all numbers would take most of the time."""
    starts = generator.integers(0, len(pool) - dimension, count)
    out = pool[starts[:, None] + numpy.arange(dimension)]
    return out / numpy.linalg.norm(out, axis=1, keepdims=True)


def median(run):
    run()
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        run()
        times.append((time.perf_counter() - start) * 1e3)
    return round(statistics.median(times), 2)


index = faiss.IndexScalarQuantizer(dimension, faiss.ScalarQuantizer.QT_8bit, faiss.METRIC_INNER_PRODUCT)
index.train(rows(10_000))
stored = numpy.empty((keys, dimension), numpy.int8)
for at in range(0, keys, 50_000):
    block = rows(min(50_000, keys - at))
    index.add(block)
    stored[at : at + len(block)] = numpy.rint(block * 127)
asked = rows(queries)
bytes_asked = numpy.rint(asked * 127).astype(numpy.int8)


def search_exact(query):
    return exact_search(stored, query, 1, MetricKind.IP, exact=True, threads=threads)


print(
    json.dumps(
        {
            "faiss": faiss.__version__,
            "faiss_one_ms": median(lambda: index.search(asked[:1], 1)),
            "faiss_together_ms": median(lambda: index.search(asked, 1)),
            "usearch": usearch.__version__,
            "usearch_one_ms": median(lambda: search_exact(bytes_asked[:1])),
            "usearch_together_ms": median(lambda: search_exact(bytes_asked)),
        }
    )
)
