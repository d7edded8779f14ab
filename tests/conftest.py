"""Fixtures that both packages' tests share: the real smears and a cache folder of the run's own."""

import os
from pathlib import Path

import pytest

DEFAULT_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Return the folder of real images, or skip with the reason."""
    folder = Path(os.environ.get("NEURALLNET_DATA", DEFAULT_DATA))
    if not (folder / "taleqani").is_dir():
        reason = f"no real smears at {folder}; set NEURALLNET_DATA to the folder that holds taleqani/"
        if os.environ.get("NEURALLNET_REQUIRE_REAL"):
            pytest.fail(reason)
        pytest.skip(reason)
    return folder


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Keep the user's cache of decoded images out of the tests."""
    folder = tmp_path_factory.mktemp("cache")
    os.environ["NEURALLNET_CACHE"] = str(folder)
    return folder
