"""From `plugin new` to a finished sweep with a report and TensorBoard, as docs/plugins.md says."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers.processes import ROOT

pytestmark = pytest.mark.slow


@pytest.mark.timeout(600)
def test_a_new_layer_goes_from_plugin_new_to_a_report(tmp_path: Path) -> None:
    site = tmp_path / "site"
    environment = {
        **{key: value for key, value in os.environ.items() if not key.startswith("LABKERAS_")},
        "PYTHONPATH": os.pathsep.join([str(ROOT), str(site)]),
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
        "OMP_NUM_THREADS": "1",
    }

    def does(*words: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", *words], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{words}: {done.stdout[-3000:]}{done.stderr[-3000:]}"
        return done.stdout

    does("labkeras", "plugin", "new", "waves", "--layer", "WaveDense", "--loss")
    installed(tmp_path / "labkeras-waves", site)
    assert " passed" in does("pytest", "labkeras-waves", "-q", "-p", "no:cacheprovider")
    assert "nothing is wrong" in does("labkeras", "plugin", "check", "labkeras-waves")
    swept = ["optimizer=adam,sgd", "model.layers.h1=dense,wave_dense", "fit.epochs=1", "sweep_dir=first"]
    assert "4 of 4 runs done" in does("labkeras", "train", "-m", "experiment=digits_mlp", *swept)
    assert "wave_dense" in (tmp_path / "first" / "report.html").read_text(encoding="utf-8")
    seen = json.loads(does("labkeras", "tensorboard", "first", "--check", "--json"))
    assert seen["tabs"]["hparams"]["about"].endswith("sessions: 4 success")


def installed(package: Path, site: Path) -> None:
    """What an installer does with a package that has no code to build."""
    shutil.copytree(package / "src", site)
    metadata = site / "labkeras_waves-0.1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: labkeras-waves\nVersion: 0.1.0\n")
    (metadata / "entry_points.txt").write_text("[labkeras]\nwaves = labkeras_waves\n")
