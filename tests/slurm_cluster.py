"""A private Slurm cluster of two nodes on this machine's loopback, for tests: it lives in one folder and needs no service.

Everything is Debian's own (``slurmctld``, ``slurmd``, ``slurm-client``, ``munge``): its own key and socket, its own
configuration through ``SLURM_CONF``, free ports. It is ready in about a second.
"""

from __future__ import annotations

import contextlib
import getpass
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

__all__ = ["NEEDED", "Cluster", "missing_commands", "running_cluster", "wait_for"]

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
MaxArraySize=2
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


_SECONDS = 180.0  # for anything to happen, on a machine that does other things too


@dataclass
class Cluster:
    """A cluster that runs; Slurm's commands find it through the environment variable ``SLURM_CONF``."""

    root: Path
    daemons: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict[str, "subprocess.Popen[bytes]"])

    @property
    def environment(self) -> dict[str, str]:
        """That of its daemons and commands."""
        return {**os.environ, "SLURM_CONF": str(self.root / "slurm.conf")}

    def call(self, *words: object) -> str:
        """The output of one of Slurm's commands."""
        done = subprocess.run(
            [*map(str, words)], env=self.environment, check=False, capture_output=True, text=True, cwd=self.root
        )
        assert done.returncode == 0, f"{words} ended with {done.returncode}: {done.stdout} {done.stderr}"
        return done.stdout

    def states(self) -> dict[str, str]:
        """What every job is doing, by its id (array tasks one by one)."""
        lines = self.call("squeue", "-h", "-r", "-t", "all", "-o", "%i %T").splitlines()
        return {line.split()[0]: line.split()[1] for line in lines}

    def start(self, name: str, *words: str) -> None:
        """Start a daemon."""
        with (self.root / f"{name}.out").open("ab") as out:
            self.daemons[name] = subprocess.Popen(
                words, env=self.environment, stdin=subprocess.DEVNULL, stdout=out, stderr=out
            )

    def start_node(self, name: str) -> None:
        """Start a node's daemon."""
        self.start(name, "slurmd", "-D", "-N", name, "-f", str(self.root / "slurm.conf"))

    def kill_node(self, name: str) -> None:
        """What a power cut does to a node: its daemon and all that runs there are gone at once.

        They are halted first, daemons of steps before what these watch: one that saw another die would report a failed job.
        """
        daemon = self.daemons.pop(name)
        daemon.kill()
        processes = sorted(self.processes(name), key=lambda each: not _watches(each))
        for act in (psutil.Process.suspend, psutil.Process.kill):
            for process in processes:
                with contextlib.suppress(psutil.Error):
                    act(process)
        daemon.wait()

    def processes(self, node: str = "") -> list[psutil.Process]:
        """What jobs started (of one node), and the daemons of their steps."""
        found: list[psutil.Process] = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                theirs = process.environ()
                if theirs.get("SLURM_CONF") != str(self.root / "slurm.conf") or "SLURM_JOB_ID" not in theirs:
                    continue
                if node in ("", theirs.get("SLURMD_NODENAME")):
                    found += [process, *(parent for parent in process.parents() if parent.name() == "slurmstepd")]
        return list(dict.fromkeys(found))

    def stop(self) -> None:
        """End everything that belongs to it."""
        for name in ("slurmctld", *NODES, "munged"):
            if name in self.daemons:
                self.daemons[name].send_signal(signal.SIGTERM)
        for process in self.processes():
            with contextlib.suppress(psutil.Error):
                process.kill()
        for daemon in self.daemons.values():
            try:
                daemon.wait(timeout=10)
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait()


def _watches(process: psutil.Process) -> bool:
    """Whether it is a step's daemon."""
    with contextlib.suppress(psutil.Error):
        return process.name() == "slurmstepd"
    return False


def wait_for(condition: Callable[[], object], what: str, *, seconds: float = _SECONDS) -> None:
    """Wait for something to happen; that it never does is a failure."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            pytest.fail(f"Within {seconds:g} s this did not happen: {what}.")
        time.sleep(0.05)


@contextlib.contextmanager
def running_cluster(root: Path) -> Iterator[Cluster]:
    """A cluster in an empty folder, which is found through ``SLURM_CONF`` meanwhile."""
    root.chmod(0o700)
    (root / "state").mkdir()
    (root / "munge.key").write_bytes(os.urandom(1024))
    (root / "munge.key").chmod(0o400)
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(3)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    conf = _CONF.format(host=socket.gethostname(), user=getpass.getuser(), root=root, ports=ports)
    (root / "slurm.conf").write_text(conf)
    cluster = Cluster(root)
    munge = {"key-file": "munge.key", "socket": "munge.sock", "pid-file": "munged.pid", "log-file": "munged.log"}
    files = {**munge, "seed-file": "munged.seed"}
    before = os.environ.get("SLURM_CONF")
    try:
        cluster.start("munged", "munged", "--foreground", "--force", *(f"--{k}={root / v}" for k, v in files.items()))
        wait_for((root / "munge.sock").exists, "munged makes its socket", seconds=30)
        cluster.start("slurmctld", "slurmctld", "-D", "-f", str(root / "slurm.conf"))
        for node in NODES:
            cluster.start_node(node)
        os.environ["SLURM_CONF"] = str(root / "slurm.conf")
        wait_for(lambda: _idle(cluster) == set(NODES), "both nodes are idle", seconds=60)
        yield cluster
    finally:
        cluster.stop()
        os.environ.pop("SLURM_CONF", None)
        if before is not None:
            os.environ["SLURM_CONF"] = before


def _idle(cluster: Cluster) -> set[str]:
    done = subprocess.run(
        ["sinfo", "-h", "-N", "-o", "%N %T"], env=cluster.environment, capture_output=True, text=True, check=False
    )
    return {line.split()[0] for line in done.stdout.splitlines() if line.split()[1:] == ["idle"]}


def missing_commands() -> list[str]:
    """What of Slurm is not installed."""
    return [name for name in NEEDED if shutil.which(name) is None]
