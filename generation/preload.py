"""The imports that every model's process needs, made once in the fork server; they cost about 20 CPU seconds.

Only imports: a thread started here would not exist in the children, and CUDA initialised here would fail there.
"""

import threading

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
