"""The imports that every model's process needs, made once in the fork server; they cost about 20 CPU seconds.

Only imports: a thread started here would not exist in the children, and CUDA initialised here would fail there.
"""

import os
import signal
import threading
from typing import Any

_PARENT = os.getppid()


def _leave_with_parent(*_: Any) -> None:
    """End this process once its parent was killed: the fork server itself looks only after all imports."""
    if os.getppid() != _PARENT:
        os._exit(1)


signal.signal(signal.SIGALRM, _leave_with_parent)
signal.setitimer(signal.ITIMER_REAL, 1, 1)
# ruff: noqa: E402

import diffusers
from diffusers.utils.torch_utils import TorchDeviceBackend
from tqdm import tqdm

import generation.child
import generation.loading
import generation.sampling  # noqa: F401
from generation.families import SUPPORTED

for _name in sorted(SUPPORTED):
    getattr(diffusers, _name)  # diffusers imports its classes at their first use

# A progress bar's own lock is a semaphore of the system, which a killed child would leave behind.
tqdm.set_lock(threading.RLock())

# Found out when diffusers is imported, and remembered: here there is no GPU, in the children there may be one.
TorchDeviceBackend._detect_device_type.cache_clear()

signal.setitimer(signal.ITIMER_REAL, 0)
signal.signal(signal.SIGALRM, signal.SIG_DFL)
