"""A private Slurm cluster of two nodes on this machine's loopback, for tests: it lives in one folder and needs no service.

Everything is Debian's own (``slurmctld``, ``slurmd``, ``slurm-client``, ``munge``): its own key and socket, its own
configuration through ``SLURM_CONF``, free ports. It is ready in about a second.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest

__all__ = ["NEEDED", "Cluster", "running_cluster", "wait_for"]

NEEDED = ("munged", "slurmctld", "slurmd", "sbatch", "squeue", "srun", "scancel", "scontrol")
NODES = ("n1", "n2")
_CONF = """
ClusterName=gantlet
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
CryptoType=crypto/munge
AuthInfo=socket={root}/munge.sock,cred_expire=5
StateSaveLocation={root}/state
SlurmdSpoolDir={root}/spool-%n
SlurmctldPidFile={root}/slurmctld.pid
SlurmdPidFile={root}/slurmd-%n.pid
SlurmctldLogFile={root}/slurmctld.log
SlurmdLogFile={root}/slurmd-%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
SlurmdParameters=config_overrides
ReturnToService=2
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
SlurmctldParameters=preempt_send_user_signal
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
SchedulerParameters=sched_interval=1,sched_min_interval=100000,batch_sched_delay=0
SlurmdTimeout=10
KillWait=30
MinJobAge=300
JobRequeue=1
NodeName=n1 NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[1]} CPUs=2 RealMemory=2000
NodeName=n2 NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[2]} CPUs=2 RealMemory=2000
PartitionName=low Nodes=n1,n2 Default=YES MaxTime=INFINITE State=UP PriorityTier=1 GraceTime=60
PartitionName=high Nodes=n1,n2 MaxTime=INFINITE State=UP PriorityTier=10
"""


@dataclass
class Cluster:
    """A cluster that runs; its commands are found through ``environment``."""

    root: Path
    environment: dict[str, str]
    daemons: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict[str, "subprocess.Popen[bytes]"])

    def call(self, *words: object) -> str:
        """The output of one of Slurm's commands."""
        return subprocess.run(
            [*map(str, words)], env=self.environment, check=True, capture_output=True, text=True
        ).stdout

    def states(self) -> dict[str, str]:
        """What every job is doing, by its id (array tasks one by one)."""
        lines = self.call("squeue", "-h", "-r", "-t", "all", "-o", "%i %T").splitlines()
        return dict((job, state) for job, state in (line.split() for line in lines))

    def start_node(self, name: str) -> None:
        """Start a node's daemon."""
        with (self.root / f"{name}.out").open("ab") as out:
            self.daemons[name] = subprocess.Popen(
                ["slurmd", "-D", "-N", name, "-f", str(self.root / "slurm.conf")],
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
            )

    def kill_node(self, name: str) -> None:
        """What a power cut does to a node: its daemon and all that runs there are gone at once."""
        daemon = self.daemons.pop(name)
        spool = str(self.root / f"spool-{name}")
        ours = [process for process in psutil.process_iter() if f"[{name}]" in _title(process) or spool in _title(process)]
        jobs = [child for process in psutil.process_iter() for child in _of_node(process, name)]
        daemon.kill()
        for process in (*jobs, *ours):
            with contextlib.suppress(psutil.Error):
                process.kill()
        daemon.wait()

    def stop(self) -> None:
        """End everything that belongs to it."""
        with contextlib.suppress(subprocess.SubprocessError):
            self.call("scancel", "--signal=KILL", "--full", "-u", "root")
        for name in NODES:
            for process in psutil.process_iter():
                for child in _of_node(process, name, self.root):
                    with contextlib.suppress(psutil.Error):
                        child.kill()
        for daemon in reversed(self.daemons.values()):
            daemon.send_signal(signal.SIGTERM)
        for daemon in self.daemons.values():
            try:
                daemon.wait(timeout=5)
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait()
