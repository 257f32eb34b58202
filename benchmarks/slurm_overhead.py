"""What the executor ``slurm`` adds to a member: ``python -m benchmarks.slurm_overhead [STEPS]``, where jobs can be submitted.

The same study of one member is trained by a local worker and by a job. Compared is the processor time of the two processes
from their start to their end, in which neither the waiting in Slurm's queue nor other programs count; the waiting stands
beside it.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import time
from datetime import datetime
from pathlib import Path

from gantlet.requests.grid import parse_axis
from gantlet.requests.options import Options
from gantlet.requests.resolve import Request
from gantlet.studies.executors.fake import FakeExecutor
from gantlet.studies.launch import resume, start
from gantlet.studies.planning import plan_study
from gantlet.studies.store import Store
from gantlet.studies.study import Study
from gantlet.studies.submissions import submissions

_WORKER = """
import sys, time
from gantlet.studies.executors.worker import serve
serve(sys.argv[1])
print(time.process_time(), file=sys.stderr)
"""


def main(steps: int) -> None:
    """Train the two and print one line."""
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as place:
        stores: list[Store] = []
        for name in ("worker", "job"):
            request = Request("ring8", ("vanilla",), (parse_axis(f"steps={steps}"),), (7,))
            planned = plan_study(request, Options(out=Path(place, name), workers=1))
            stores.append(start(planned, executor=FakeExecutor()))
        words = [sys.executable, "-c", _WORKER, str(stores[0].folder)]
        done = subprocess.run(words, input="0000\n", check=True, capture_output=True, text=True)
        here = float(done.stderr.split()[-1])
        submitted = time.time()
        resume(stores[1].folder, executor="slurm")
        (made,) = submissions(stores[1])
        Study(stores[1].folder).wait(seconds=1)
        log = (stores[1].folder / "slurm" / made.log(0)).read_text(encoding="utf-8")
        there = float(re.findall(r"([\d.]+) s of processor time", log)[-1])
        began = datetime.fromisoformat(re.findall(r"\(([\d-]+ [\d:]+),\d+\) - Starting", log)[0]).timestamp()
    print(f"processor seconds: {here:.1f} in a local worker, {there:.1f} in a job ({there / here - 1:+.1%})")
    print(f"from the call of resume to the start of the job: {began - submitted:.0f} s")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 12_000)
