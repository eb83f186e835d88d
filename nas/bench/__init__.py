"""Strategies held against each other on a table or on toy functions: many seeds, paired, in seconds.

    from nas import bench
    report = bench.measure("nas-bench-201", ["evolution", "random"], table="synthetic", trials=100, seeds=20)
    report.to_dict()["results"][0]["mean"]["100"]

Strategies are run directly on decisions; no network is made, nothing is recorded.
"""

from nas.bench.measure import measure
from nas.bench.report import Report, Result
from nas.bench.run import Problem, Run, run
from nas.bench.specs import Spec, parse

__all__ = ["Problem", "Report", "Result", "Run", "Spec", "measure", "parse", "run"]
