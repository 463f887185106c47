"""Why a generator, or one of its images, is refused: the codes that `generation_attempts` holds."""

from enum import StrEnum


class Code(StrEnum):
    """One reason each. A permanent one lies in the model, so that trying again would give the same."""

    REMOTE_CODE = "REMOTE_CODE"
    """It names, or brings, Python of its own."""
    PICKLE_ONLY = "PICKLE_ONLY"
    """A component's weights exist only as pickles."""
    BAD_WEIGHTS = "BAD_WEIGHTS"
    """The weights cannot be read, or do not fit the model."""
    UNSUPPORTED = "UNSUPPORTED"
    """Its pipeline class is not in the table of families, or its layout is not understood."""
    UNSAFE_NAME = "UNSAFE_NAME"
    """A repository, revision or file name that could leave its folder or be mistaken for another."""
    BASE_MISSING = "BASE_MISSING"
    """An adapter whose base model is not in the lake."""
    GATED = "GATED"
    DISABLED = "DISABLED"
    GONE = "GONE"
    """The Hub no longer has the repository, the revision or a planned file."""
    TOO_BIG = "TOO_BIG"
    NAN_IMAGE = "NAN_IMAGE"
    FLAT_IMAGE = "FLAT_IMAGE"
    """Nearly one colour: what a broken model, or a filter that blackens, gives."""
    WRONG_SIZE = "WRONG_SIZE"
    NSFW_IMAGE = "NSFW_IMAGE"
    """The scorer finds it not for all audiences, and the policy withholds such images."""

    FAILED = "FAILED"
    """An error of the pipeline that none of the others names; the message holds its type and text."""

    TIMEOUT = "TIMEOUT"
    CRASH = "CRASH"
    """The child process ended without a word, could not be started, said what it must not, or its GPU failed."""
    OOM = "OOM"
    HUB_ERROR = "HUB_ERROR"
    """The Hub could not be reached, or kept failing, after all retries."""
    BAD_DOWNLOAD = "BAD_DOWNLOAD"
    """What arrived is not what the Hub listed, after all retries."""
    NO_SPACE = "NO_SPACE"
    INTERRUPTED = "INTERRUPTED"
    """The run was stopping."""

    @property
    def permanent(self) -> bool:
        """Whether another try is pointless."""
        return self not in _TRANSIENT


_TRANSIENT = {
    Code.TIMEOUT,
    Code.CRASH,
    Code.OOM,
    Code.HUB_ERROR,
    Code.BAD_DOWNLOAD,
    Code.NO_SPACE,
    Code.INTERRUPTED,
}


OF_IMAGE = {Code.NAN_IMAGE, Code.FLAT_IMAGE, Code.WRONG_SIZE, Code.NSFW_IMAGE}
"""Refusals of one image, which say nothing of the others that the model makes."""


def out_of_memory(error: BaseException) -> bool:
    """Whether an error says that there is no more memory: torch's CPU allocator raises a plain RuntimeError."""
    said = f"{type(error).__name__}: {error}".lower()
    words = ("outofmemoryerror", "out of memory", "allocate memory", "alloc_failed")
    return isinstance(error, MemoryError) or any(word in said for word in words)


def device_failed(error: BaseException) -> bool:
    """Whether an error is the GPU's or its driver's, so that the next try may succeed; ask for memory first."""
    said = f"{type(error).__name__}: {error}".lower()
    words = (
        *(
            "cuda error",
            "cuda driver",
            "nvidia driver",
            "no kernel image",
            "device-side assert",
            "initialize cuda",
        ),
        *("cudnn_status_not_initialized", "cublas_status_not_initialized", "no cuda gpus are available"),
    )
    return any(word in said for word in words)


def plain(text: str) -> str:
    """Return untrusted text in one line that every table and terminal takes, of at most 500 characters."""
    whole = text.encode("utf-8", "backslashreplace").decode()
    return " ".join("".join(c if c.isprintable() else " " for c in whole).split())[:500]


class GenerationFailure(Exception):
    """A generator cannot be sampled; it becomes a row of `generation_attempts` and never ends the job."""

    def __init__(self, code: Code, message: str):
        self.code = code
        self.message = plain(message)
        super().__init__(f"{code}: {self.message}")
