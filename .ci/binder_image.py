"""What repo2docker makes of `binder/`, without Docker.

The steps and their order are those of repo2docker's Python build pack (its
documentation, "Configuration files", and `buildpacks/{base,conda,python}`): the
version in `runtime.txt`, a base environment with JupyterLab, Notebook and JupyterHub, a
checkout that is the home folder as well, `requirements.txt` with pip in its root,
`postBuild`, and `start` before the server. torch, transformers and vllm cannot be
imported. Not covered: conda (the base environment comes from PyPI in the versions of
repo2docker's lock file), the notebook user, and the system's packages.
"""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

from checkout import checkout

ROOT = Path(__file__).resolve().parent.parent
# What repo2docker asks for by name, as in environment.py-3.11-linux-64.lock, 2025-10-16
BASE = (
    "pip==25.2",
    "ipykernel==7.0.1",
    "ipywidgets==8.1.7",
    "jupyter-offlinenotebook==0.3.*",
    "jupyter-resource-usage==1.*",
    "jupyter_server==2.17.0",
    "jupyterhub==5.4.0",
    "jupyterlab==4.4.9",
    "notebook==7.4.7",
)
# What would lead into another environment, or make this one faster than Binder's is.
INHERITED = (
    *("IPYTHON", "JUPYTER", "MPL", "NUMBA", "OMP_", "OPENBLAS", "PYTHON", "TTS_LAB"),
    *("VIRTUAL", "XDG"),
)
BLOCK = '''\
"""What a machine of 1 GB cannot hold is not found, whatever is on the path."""

import importlib.util
import sys

BLOCKED = {"torch", "transformers", "vllm"}


class Block:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in BLOCKED:
            raise ModuleNotFoundError(f"No module named {name!r} (blocked)", name=name)


def find_spec(name, package=None, look=importlib.util.find_spec):
    return None if name.partition(".")[0] in BLOCKED else look(name, package)


importlib.util.find_spec = find_spec
sys.meta_path.insert(0, Block())
'''


class Image:
    """An environment and a home folder under `folder`, made by `build`."""

    def __init__(self, folder: Path) -> None:
        self.home = folder / "home"  # the repository as well, as in repo2docker
        self.prefix = folder / "environment"
        self.python = self.prefix / "bin" / "python"
        self.kernels = folder / "kernels"
        self.log = folder / "server.log"

    @property
    def environment(self) -> dict[str, str]:
        """Variables of everything that runs in the image."""
        kept = {k: v for k, v in os.environ.items() if not k.startswith(INHERITED)}
        path = f"{self.prefix / 'bin'}{os.pathsep}{os.environ['PATH']}"
        # As `start` says it; kernels that nbval starts are not the server's.
        share = {"CPU_LIMIT": "2", "OPENBLAS_NUM_THREADS": "2"}
        return (
            kept | share | {"HOME": str(self.home), "PATH": path, "LC_ALL": "C.UTF-8"}
        )

    def run(self, *command: str | Path) -> None:
        """Run a build step in the root of the repository; a log keeps what it says."""
        log = self.log.with_name("build.log")
        with log.open("ab") as out:
            done = subprocess.run(
                command, cwd=self.home, env=self.environment, stdout=out, stderr=out
            )
        if done.returncode:
            tail = "\n".join(log.read_text(errors="replace").splitlines()[-30:])
            raise SystemExit(f"{command[0]} ended with {done.returncode}:\n{tail}")

    def build(self, *, base: bool = True) -> None:
        """All steps; without `base` the packages of repo2docker itself are left out."""
        self.home.mkdir(parents=True)
        checkout(ROOT, self.home)
        self.interpreter(self.home / "binder" / "runtime.txt")
        pip = [self.prefix / "bin" / "pip", "install", "-qq", "--no-cache-dir"]
        # What is never imported need not be compiled; of no effect on what is.
        pip.append("--no-compile")
        if base:
            self.run(*pip, *BASE)
        self.run(*pip, "-r", "binder/requirements.txt")
        self.run(pip[0], "check")
        self.block()
        (self.home / "binder" / "postBuild").chmod(0o755)
        self.run("./binder/postBuild")
        self.register()

    def interpreter(self, runtime: Path) -> None:
        """An empty environment with the Python that `runtime.txt` names."""
        version = runtime.read_text().strip().removeprefix("python-")
        base = getattr(sys, "_base_executable", sys.executable)
        if version != "{}.{}".format(*sys.version_info):
            base = shutil.which(f"python{version}")
        if base is None:
            raise SystemExit(f"{runtime.name} wants Python {version}, not found here")
        # Installing pip into it from outside spares the slow bundled one.
        self.run(base, "-m", "venv", "--without-pip", self.prefix)
        pip = ["-m", "pip", "--python", self.python, "install", "-qq", BASE[0]]
        self.run(base, *pip)

    def block(self) -> None:
        """Make torch, transformers and vllm impossible to import, in kernels too."""
        [site] = self.prefix.glob("lib/*/site-packages")
        (site / "blocked_here.py").write_text(BLOCK)
        (site / "blocked_here.pth").write_text("import blocked_here\n")
        for name in ("torch", "transformers", "vllm"):
            code = f"try: import {name}\nexcept ImportError: pass\nelse: exit(1)"
            self.run(self.python, "-c", code)

    def register(self) -> None:
        """A kernel of this image, under the name "binder" for programs outside it."""
        self.run(
            *(self.python, "-m", "ipykernel", "install"),
            *("--name", "binder", "--prefix", self.kernels),
        )

    def serve(self) -> tuple[subprocess.Popen[bytes], float]:
        """The server, as the image starts it, and the seconds until it answers."""
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        token = secrets.token_hex()
        began = time.monotonic()
        with self.log.open("wb") as log:
            server = subprocess.Popen(
                [
                    *("binder/start", "jupyter", "lab", "--ip=127.0.0.1"),
                    *(f"--port={port}", "--no-browser", "--allow-root"),
                    f"--IdentityProvider.token={token}",
                ],
                cwd=self.home,
                env=self.environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        while server.poll() is None and time.monotonic() < began + 300:
            try:  # what opening the first notebook asks for
                for page in ("lab", "api/contents/notebooks/00_start_here.ipynb"):
                    url = f"http://127.0.0.1:{port}/{page}?token={token}"
                    urllib.request.urlopen(url, timeout=30).read()
            except OSError:
                time.sleep(0.05)
            else:
                return server, time.monotonic() - began
        server.kill()
        server.wait()
        raise SystemExit(f"the server does not answer:\n{self.log.read_text()[-4000:]}")
