"""The demo Hub's repositories: genuine tiny diffusers pipelines, and one of each kind that must be refused.

Importing this needs neither torch nor diffusers; building what is missing does.
"""

from generation.demo_hub.build import build_demo_hub
from generation.demo_hub.hostile import pickle_sentinel, remote_code_sentinel
from generation.demo_hub.table import DEMO_REPOSITORIES, DemoRepository

__all__ = [
    "DEMO_REPOSITORIES",
    "DemoRepository",
    "build_demo_hub",
    "pickle_sentinel",
    "remote_code_sentinel",
]
